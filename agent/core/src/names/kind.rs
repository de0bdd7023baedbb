//! What a device is, guessed from what it says of itself: one table of rules, the first that matches wins.
//!
//! Only what is certain: a rule names what hardly anything else says. Who says nothing of the kind has no type.

use super::claim_source::ClaimSource;

/// What a device is, and the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As `printer`.
    pub kind: &'static str,
    /// As `mdns _ipp`.
    pub rule: &'static str,
}

/// What a value must be, in whatever case.
#[derive(Clone, Copy, Debug)]
enum Test {
    /// This text.
    Is(&'static str),
    /// This text and anything after it.
    Begins(&'static str),
    /// This text somewhere in it.
    Holds(&'static str),
}

use ClaimSource as Of;
use Test::{Begins, Holds, Is};

/// Rule, source, test, kind. What a device is made as comes before the services it offers: a television may bear a speaker's.
/// The categories are those of the HomeKit Accessory Protocol, section 13. That it runs Android, or that it plays music,
/// is no rule: phones, televisions and loudspeakers do.
const RULES: &[(&str, ClaimSource, Test, &str)] = &[
    ("hap category 2", Of::HapCategory, Is("2"), "hub"),
    ("hap category 3", Of::HapCategory, Is("3"), "appliance"),
    ("hap category 5", Of::HapCategory, Is("5"), "light"),
    ("hap category 6", Of::HapCategory, Is("6"), "lock"),
    ("hap category 7", Of::HapCategory, Is("7"), "plug"),
    ("hap category 9", Of::HapCategory, Is("9"), "thermostat"),
    ("hap category 10", Of::HapCategory, Is("10"), "sensor"),
    ("hap category 17", Of::HapCategory, Is("17"), "camera"),
    ("hap category 18", Of::HapCategory, Is("18"), "camera"),
    ("hap category 19", Of::HapCategory, Is("19"), "appliance"),
    ("hap category 20", Of::HapCategory, Is("20"), "appliance"),
    ("hap category 21", Of::HapCategory, Is("21"), "appliance"),
    ("hap category 22", Of::HapCategory, Is("22"), "appliance"),
    ("hap category 23", Of::HapCategory, Is("23"), "appliance"),
    ("hap category 24", Of::HapCategory, Is("24"), "media player"),
    ("hap category 25", Of::HapCategory, Is("25"), "speaker"),
    ("hap category 26", Of::HapCategory, Is("26"), "speaker"),
    ("hap category 27", Of::HapCategory, Is("27"), "router"),
    ("hap category 31", Of::HapCategory, Is("31"), "tv"),
    ("hap category 33", Of::HapCategory, Is("33"), "router"),
    ("hap category 35", Of::HapCategory, Is("35"), "media player"),
    ("hap category 36", Of::HapCategory, Is("36"), "media player"),
    ("mdns model BSB00", Of::MdnsModel, Begins("BSB00"), "hub"),
    ("mdns model iPhone", Of::MdnsModel, Begins("iPhone"), "phone"),
    ("mdns model iPad", Of::MdnsModel, Begins("iPad"), "tablet"),
    ("mdns model AppleTV", Of::MdnsModel, Begins("AppleTV"), "media player"),
    ("mdns model AudioAccessory", Of::MdnsModel, Begins("AudioAccessory"), "speaker"),
    ("mdns model MacBook", Of::MdnsModel, Begins("MacBook"), "computer"),
    ("mdns model iMac", Of::MdnsModel, Begins("iMac"), "computer"),
    ("mdns model Macmini", Of::MdnsModel, Begins("Macmini"), "computer"),
    ("mdns model MacPro", Of::MdnsModel, Begins("MacPro"), "computer"),
    ("mdns model Chromecast", Of::MdnsModel, Begins("Chromecast"), "media player"),
    ("mdns model Google Home", Of::MdnsModel, Begins("Google Home"), "speaker"),
    ("mdns model Nest Mini", Of::MdnsModel, Begins("Nest Mini"), "speaker"),
    ("mdns model Nest Audio", Of::MdnsModel, Begins("Nest Audio"), "speaker"),
    ("mdns model BRAVIA", Of::MdnsModel, Begins("BRAVIA"), "tv"),
    ("mdns model DCS-", Of::MdnsModel, Begins("DCS-"), "camera"),
    ("mdns model DSP-", Of::MdnsModel, Begins("DSP-"), "plug"),
    ("ssdp type InternetGatewayDevice", Of::SsdpType, Is("InternetGatewayDevice"), "router"),
    ("ssdp type hue-bridge", Of::SsdpType, Is("hue-bridge"), "hub"),
    ("ssdp type Printer", Of::SsdpType, Is("Printer"), "printer"),
    ("ssdp type ZonePlayer", Of::SsdpType, Is("ZonePlayer"), "speaker"),
    ("ssdp type Belkin:insight", Of::SsdpType, Is("Belkin:insight"), "plug"),
    ("ssdp type Belkin:controllee", Of::SsdpType, Is("Belkin:controllee"), "plug"),
    ("ssdp type Belkin:bridge", Of::SsdpType, Is("Belkin:bridge"), "hub"),
    ("ssdp type roku:ecp", Of::SsdpType, Is("roku:ecp"), "media player"),
    ("ssdp server Sonos", Of::Ssdp, Holds("Sonos/"), "speaker"),
    ("ssdp server FRITZ!Box", Of::Ssdp, Holds("FRITZ!Box"), "router"),
    ("ssdp server Synology", Of::Ssdp, Holds("Synology"), "nas"),
    ("ssdp server QNAP", Of::Ssdp, Holds("QNAP"), "nas"),
    ("wsd NetworkVideoTransmitter", Of::Wsd, Is("NetworkVideoTransmitter"), "camera"),
    ("wsd PrintDeviceType", Of::Wsd, Is("PrintDeviceType"), "printer"),
    ("wsd Computer", Of::Wsd, Is("Computer"), "computer"),
    ("dhcp vendor MSFT 5.0 XBOX", Of::DhcpVendor, Is("MSFT 5.0 XBOX"), "console"),
    ("dhcp vendor MSFT 5.0", Of::DhcpVendor, Is("MSFT 5.0"), "computer"),
    ("dhcp vendor PS3", Of::DhcpVendor, Is("PS3"), "console"),
    ("dhcp vendor PS4", Of::DhcpVendor, Is("PS4"), "console"),
    ("dhcp vendor PS5", Of::DhcpVendor, Is("PS5"), "console"),
    ("dhcp name Philips-hue", Of::Dhcp, Begins("Philips-hue"), "hub"),
    ("dhcp name HS100", Of::Dhcp, Begins("HS100("), "plug"),
    ("dhcp name HS110", Of::Dhcp, Begins("HS110("), "plug"),
    ("dhcp name yeelink-light", Of::Dhcp, Begins("yeelink-light-"), "light"),
    ("dhcp name roborock-vacuum", Of::Dhcp, Begins("roborock-vacuum-"), "vacuum"),
    ("dhcp name rockrobo-vacuum", Of::Dhcp, Begins("rockrobo-vacuum-"), "vacuum"),
    ("dhcp name Roomba", Of::Dhcp, Begins("Roomba-"), "vacuum"),
    ("dhcp name LGwebOSTV", Of::Dhcp, Begins("LGwebOSTV"), "tv"),
    ("mdns _pdl-datastream", Of::MdnsService, Is("_pdl-datastream._tcp"), "printer"),
    ("mdns _ipp", Of::MdnsService, Is("_ipp._tcp"), "printer"),
    ("mdns _ipps", Of::MdnsService, Is("_ipps._tcp"), "printer"),
    ("mdns _hue", Of::MdnsService, Is("_hue._tcp"), "hub"),
    ("mdns _home-assistant", Of::MdnsService, Is("_home-assistant._tcp"), "hub"),
    ("mdns _sonos", Of::MdnsService, Is("_sonos._tcp"), "speaker"),
    ("mdns _soundtouch", Of::MdnsService, Is("_soundtouch._tcp"), "speaker"),
    ("mdns _axis-video", Of::MdnsService, Is("_axis-video._tcp"), "camera"),
    ("mdns _nanoleafapi", Of::MdnsService, Is("_nanoleafapi._tcp"), "light"),
    ("mdns _wled", Of::MdnsService, Is("_wled._tcp"), "light"),
];

/// What the device is that makes these `claims`, by the first rule of the table that one of them matches; `None` where no
/// rule is sure.
pub fn kind_of<'a>(claims: impl IntoIterator<Item = (ClaimSource, &'a str)>) -> Option<Kind> {
    let rule_of = |(source, value): (ClaimSource, &str)| {
        RULES.iter().position(|(_, of, test, _)| *of == source && test.matches(value))
    };
    let (rule, .., kind) = RULES.get(claims.into_iter().filter_map(rule_of).min()?)?;
    Some(Kind { kind, rule })
}

impl Test {
    fn matches(self, value: &str) -> bool {
        let begins = |at: &[u8], text: &str| {
            at.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
        };
        match self {
            Is(text) => value.eq_ignore_ascii_case(text),
            Begins(text) => begins(value.as_bytes(), text),
            Holds(text) => value.as_bytes().windows(text.len()).any(|at| begins(at, text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device says, its kind and the rule: one for each rule.
    const EXAMPLES: &[(ClaimSource, &str, &str, &str)] = &[
        (Of::HapCategory, "2", "hub", "hap category 2"),
        (Of::HapCategory, "3", "appliance", "hap category 3"),
        (Of::HapCategory, "5", "light", "hap category 5"),
        (Of::HapCategory, "6", "lock", "hap category 6"),
        (Of::HapCategory, "7", "plug", "hap category 7"),
        (Of::HapCategory, "9", "thermostat", "hap category 9"),
        (Of::HapCategory, "10", "sensor", "hap category 10"),
        (Of::HapCategory, "17", "camera", "hap category 17"),
        (Of::HapCategory, "18", "camera", "hap category 18"),
        (Of::HapCategory, "19", "appliance", "hap category 19"),
        (Of::HapCategory, "20", "appliance", "hap category 20"),
        (Of::HapCategory, "21", "appliance", "hap category 21"),
        (Of::HapCategory, "22", "appliance", "hap category 22"),
        (Of::HapCategory, "23", "appliance", "hap category 23"),
        (Of::HapCategory, "24", "media player", "hap category 24"),
        (Of::HapCategory, "25", "speaker", "hap category 25"),
        (Of::HapCategory, "26", "speaker", "hap category 26"),
        (Of::HapCategory, "27", "router", "hap category 27"),
        (Of::HapCategory, "31", "tv", "hap category 31"),
        (Of::HapCategory, "33", "router", "hap category 33"),
        (Of::HapCategory, "35", "media player", "hap category 35"),
        (Of::HapCategory, "36", "media player", "hap category 36"),
        (Of::MdnsModel, "BSB002", "hub", "mdns model BSB00"),
        (Of::MdnsModel, "iPhone14,2", "phone", "mdns model iPhone"),
        (Of::MdnsModel, "iPad13,1", "tablet", "mdns model iPad"),
        (Of::MdnsModel, "AppleTV11,1", "media player", "mdns model AppleTV"),
        (Of::MdnsModel, "AudioAccessory5,1", "speaker", "mdns model AudioAccessory"),
        (Of::MdnsModel, "MacBookPro18,3", "computer", "mdns model MacBook"),
        (Of::MdnsModel, "iMac21,1", "computer", "mdns model iMac"),
        (Of::MdnsModel, "Macmini9,1", "computer", "mdns model Macmini"),
        (Of::MdnsModel, "MacPro7,1", "computer", "mdns model MacPro"),
        (Of::MdnsModel, "Chromecast Ultra", "media player", "mdns model Chromecast"),
        (Of::MdnsModel, "Google Home Mini", "speaker", "mdns model Google Home"),
        (Of::MdnsModel, "Nest Mini", "speaker", "mdns model Nest Mini"),
        (Of::MdnsModel, "Nest Audio", "speaker", "mdns model Nest Audio"),
        (Of::MdnsModel, "BRAVIA 4K UR2", "tv", "mdns model BRAVIA"),
        (Of::MdnsModel, "DCS-935L", "camera", "mdns model DCS-"),
        (Of::MdnsModel, "DSP-W215", "plug", "mdns model DSP-"),
        (Of::SsdpType, "InternetGatewayDevice", "router", "ssdp type InternetGatewayDevice"),
        (Of::SsdpType, "hue-bridge", "hub", "ssdp type hue-bridge"),
        (Of::SsdpType, "Printer", "printer", "ssdp type Printer"),
        (Of::SsdpType, "ZonePlayer", "speaker", "ssdp type ZonePlayer"),
        (Of::SsdpType, "Belkin:insight", "plug", "ssdp type Belkin:insight"),
        (Of::SsdpType, "Belkin:controllee", "plug", "ssdp type Belkin:controllee"),
        (Of::SsdpType, "Belkin:bridge", "hub", "ssdp type Belkin:bridge"),
        (Of::SsdpType, "roku:ecp", "media player", "ssdp type roku:ecp"),
        (Of::Ssdp, "Linux UPnP/1.0 Sonos/70.3-35220 (ZPS12)", "speaker", "ssdp server Sonos"),
        (Of::Ssdp, "FRITZ!Box 7590 UPnP/1.0 AVM FRITZ!Box 7590", "router", "ssdp server FRITZ!Box"),
        (Of::Ssdp, "Synology/DSM/192.168.1.3", "nas", "ssdp server Synology"),
        (Of::Ssdp, "Linux/4.14 UPnP/1.0 QNAP/5.1", "nas", "ssdp server QNAP"),
        (Of::Wsd, "NetworkVideoTransmitter", "camera", "wsd NetworkVideoTransmitter"),
        (Of::Wsd, "PrintDeviceType", "printer", "wsd PrintDeviceType"),
        (Of::Wsd, "Computer", "computer", "wsd Computer"),
        (Of::DhcpVendor, "MSFT 5.0 XBOX", "console", "dhcp vendor MSFT 5.0 XBOX"),
        (Of::DhcpVendor, "MSFT 5.0", "computer", "dhcp vendor MSFT 5.0"),
        (Of::DhcpVendor, "PS3", "console", "dhcp vendor PS3"),
        (Of::DhcpVendor, "PS4", "console", "dhcp vendor PS4"),
        (Of::DhcpVendor, "PS5", "console", "dhcp vendor PS5"),
        (Of::Dhcp, "philips-hue", "hub", "dhcp name Philips-hue"),
        (Of::Dhcp, "HS100(EU)", "plug", "dhcp name HS100"),
        (Of::Dhcp, "HS110(EU)", "plug", "dhcp name HS110"),
        (Of::Dhcp, "yeelink-light-color1_miio93", "light", "dhcp name yeelink-light"),
        (Of::Dhcp, "roborock-vacuum-s5_miio12", "vacuum", "dhcp name roborock-vacuum"),
        (Of::Dhcp, "rockrobo-vacuum-v1_miio4", "vacuum", "dhcp name rockrobo-vacuum"),
        (Of::Dhcp, "Roomba-3117820061234560", "vacuum", "dhcp name Roomba"),
        (Of::Dhcp, "LGwebOSTV", "tv", "dhcp name LGwebOSTV"),
        (Of::MdnsService, "_pdl-datastream._tcp", "printer", "mdns _pdl-datastream"),
        (Of::MdnsService, "_ipp._tcp", "printer", "mdns _ipp"),
        (Of::MdnsService, "_ipps._tcp", "printer", "mdns _ipps"),
        (Of::MdnsService, "_hue._tcp", "hub", "mdns _hue"),
        (Of::MdnsService, "_home-assistant._tcp", "hub", "mdns _home-assistant"),
        (Of::MdnsService, "_sonos._tcp", "speaker", "mdns _sonos"),
        (Of::MdnsService, "_soundtouch._tcp", "speaker", "mdns _soundtouch"),
        (Of::MdnsService, "_axis-video._tcp", "camera", "mdns _axis-video"),
        (Of::MdnsService, "_nanoleafapi._tcp", "light", "mdns _nanoleafapi"),
        (Of::MdnsService, "_wled._tcp", "light", "mdns _wled"),
    ];

    #[test]
    fn every_rule_knows_its_devices() {
        for &(source, value, kind, rule) in EXAMPLES {
            assert_eq!(kind_of([(source, value)]), Some(Kind { kind, rule }), "{value}");
        }
        let rules: Vec<_> = RULES.iter().map(|(rule, ..)| *rule).collect();
        assert!(
            EXAMPLES.iter().map(|(.., rule)| *rule).eq(rules.iter().copied()),
            "one example a rule, in order"
        );
        assert!(
            rules.iter().enumerate().all(|(at, rule)| !rules[..at].contains(rule)),
            "names are told apart"
        );
    }

    #[test]
    fn the_first_rule_of_the_table_wins_whatever_was_said_first() {
        let claims = [(Of::MdnsService, "_ipp._tcp"), (Of::MdnsModel, "iMac21,1"), (Of::HapCategory, "2")];
        assert_eq!(kind_of(claims).unwrap().kind, "hub");
        assert_eq!(kind_of(claims[..2].iter().copied()).unwrap().rule, "mdns model iMac");
    }

    #[test]
    fn what_many_kinds_of_devices_say_makes_none() {
        let vague = [
            (Of::DhcpVendor, "android-dhcp-14"),
            (Of::DhcpVendor, "udhcp 1.22.1"),
            (Of::Dhcp, "MSFT 5.0"),
            (Of::DhcpVendor, "MSFT 5.0 and more"),
            (Of::MdnsService, "_airplay._tcp"),
            (Of::HapCategory, "52"),
            (Of::Ssdp, "Son"),
            (Of::Dhcp, ""),
        ];
        assert_eq!(kind_of(vague), None);
    }
}
