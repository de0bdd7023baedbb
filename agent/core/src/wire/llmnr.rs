//! LLMNR (RFC 4795): who answers for a name is the one that bears it.

use std::net::IpAddr;

use super::records::{Message, Section};
use crate::names::claim_source::ClaimSource;
use crate::names::heard::Says;
use crate::text;

/// UDP port of responders, which is where answers come from.
pub const PORT: u16 = 5355;

/// Reads a UDP payload from [`PORT`] that came from address `from`: the name that is answered with this very address.
pub fn read(bytes: &[u8], from: IpAddr, tell: &mut impl FnMut(Says)) {
    let Some(message) = Message::read(bytes).filter(|m| m.is_response() && m.response_code() == 0) else {
        return;
    };
    for record in message.take_while(|record| record.section == Section::Answer) {
        if let ([host], true) = (record.owner.labels(), record.address() == Some(from))
            && let Some(name) = text::free(host)
        {
            return tell(Says::Own(ClaimSource::Llmnr, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::build::{a, message};
    use super::*;

    fn said(bytes: &[u8]) -> Option<Says> {
        let mut said = None;
        read(bytes, [10, 0, 0, 5].into(), &mut |says| said = Some(says));
        said
    }

    #[test]
    fn who_answers_with_its_own_address_bears_the_name() {
        let own = message(0x8000, [&[a("HS2011", [10, 0, 0, 5])], &[], &[]]);
        assert_eq!(said(&own), Some(Says::Own(ClaimSource::Llmnr, "HS2011".to_owned())));
        let other = message(0x8000, [&[a("HS2011", [10, 0, 0, 6])], &[], &[a("x", [10, 0, 0, 5])]]);
        assert_eq!(said(&other), None);
        let question = message(0, [&[a("HS2011", [10, 0, 0, 5])], &[], &[]]);
        assert_eq!(said(&question), None);
        let refused = message(0x8005, [&[a("HS2011", [10, 0, 0, 5])], &[], &[]]);
        assert_eq!(said(&refused), None);
    }
}
