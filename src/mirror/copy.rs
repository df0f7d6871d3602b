//! One object from one mirror to another: checked against its name before it is written and after.

use crate::error::{During, Result};
use crate::mirror::scrub::bytes_max;
use crate::mirror::set::check_name;
use crate::name::Name;
use crate::store::{Payload, Store};

/// Copies one object and returns its length; `buffer` is used for it and comes back. What stands under that name at `to`
/// is replaced.
///
/// # Errors
/// `Damaged` when `from` does not have the right bytes, or `to` does not give them back; those of the stores.
pub fn copy(from: &dyn Store, to: &dyn Store, name: &Name, buffer: &mut Vec<u8>) -> Result<u64> {
    let mut bytes = std::mem::take(buffer);
    from.get_into(name, bytes_max(name.folder()), &mut bytes)?;
    check_name(from, name, &bytes)?;
    let len = bytes.len() as u64;
    let payload = Payload::new(bytes);
    to.put(name, &payload)?;
    *buffer = payload.into_buffer().unwrap_or_default();
    read_back(to, name, buffer)?;
    Ok(len)
}

/// Reads what was written, where that costs nothing; elsewhere the server has compared a checksum.
fn read_back(store: &dyn Store, name: &Name, buffer: &mut Vec<u8>) -> Result<()> {
    if !store.location().is_near() {
        return Ok(());
    }
    store
        .get_into(name, bytes_max(name.folder()), buffer)
        .and_then(|()| check_name(store, name, buffer))
        .during(|| "read back what was just written".to_owned())
}
