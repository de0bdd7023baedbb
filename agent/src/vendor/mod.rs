//! tmp
use lanscribe_core::addr::MacAddr;
#[derive(Debug)]
pub(crate) struct Registry;
impl Registry {
    pub(crate) fn lookup(&self, _mac: MacAddr) -> Option<&str> {
        None
    }
}
