//! MAC addresses as text in JSON, in each spelling that people use: for serde's `with`.

use lanscribe_core::addr::MacAddr;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

pub(crate) fn serialize<S: Serializer>(mac: &MacAddr, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(mac)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MacAddr, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// The same, where there may be none.
pub(crate) mod maybe {
    use lanscribe_core::addr::MacAddr;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(mac: &Option<MacAddr>, to: S) -> Result<S::Ok, S::Error> {
        match mac {
            Some(mac) => super::serialize(mac, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<MacAddr>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
