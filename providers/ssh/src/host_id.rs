//! Ids of machines that keep none for us: made from their names, so that nothing has to be stored.

use mng_core::model::ids::HostId;
use sha1::{Digest as _, Sha1};

/// The name space of all mng versions, `a1b2c3d4-e5f6-7890-abcd-ef1234567890`.
const NAMESPACE: [u8; 16] =
    [0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x78, 0x90, 0xab, 0xcd, 0xef, 0x12, 0x34, 0x56, 0x78, 0x90];

/// `host-` and the version 5 UUID of `<instance>:<host>`.
pub(crate) fn host_id(instance: &str, host: &str) -> HostId {
    let mut hash = Sha1::new();
    hash.update(NAMESPACE);
    hash.update(format!("{instance}:{host}"));
    let mut bytes: [u8; 16] = std::array::from_fn({
        let digest = hash.finalize();
        move |index| digest[index]
    });
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hex}", HostId::PREFIX).parse().expect("32 hex digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `uuid.uuid5(uuid.UUID("a1b2c3d4-e5f6-7890-abcd-ef1234567890"), name).hex` of Python.
    #[test]
    fn the_ids_are_those_of_other_versions() {
        assert_eq!(host_id("ssh", "box").as_str(), "host-e5de6037c3985e268dc320582e821086");
        assert_eq!(host_id("boxes", "alpha").as_str(), "host-e4900bc5a608586e84e17a2afb232d52");
    }
}
