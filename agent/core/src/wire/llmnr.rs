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
