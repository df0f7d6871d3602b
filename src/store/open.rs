//! From an address to a store, with patience and restraint around it.

use crate::error::Result;
#[cfg(not(feature = "remote"))]
use crate::error::{Error, Kind};
use crate::store::Store;
use crate::store::access::Access;
use crate::store::address::{Address, Settings};
use crate::store::folder::FolderStore;
use std::sync::Arc;

/// The store at `address`.
///
/// A folder is opened here and now and may be missing; of the others nothing is asked over the network yet. Calls to
/// them wait for their turn and are tried again for as long as `access` has patience.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) for settings or credentials that cannot be, or for a kind that this build
/// lacks; a folder's own errors.
pub fn open(address: &Address, settings: &Settings, access: &Access) -> Result<Arc<dyn Store>> {
    match address {
        Address::Folder(path) => Ok(Arc::new(FolderStore::open(path, &access.tag)?)),
        remote => open_remote(remote, settings, access),
    }
}

#[cfg(not(feature = "remote"))]
fn open_remote(address: &Address, _: &Settings, _: &Access) -> Result<Arc<dyn Store>> {
    Err(Error::new(Kind::Usage, format!("open {address}"))
        .because("this heirloom was built without remote stores")
        .hint("build it with the feature `remote`"))
}

#[cfg(feature = "remote")]
fn open_remote(address: &Address, settings: &Settings, access: &Access) -> Result<Arc<dyn Store>> {
    use crate::store::bucket::BucketStore;
    use crate::store::rclone::RcloneStore;
    use crate::store::sftp::SftpStore;
    use crate::store::webdav::WebdavStore;

    match address {
        Address::Bucket(bucket) => {
            let store = BucketStore::open(bucket, settings, access)?;
            Ok(decorated(store, BUCKET_CALLS, access))
        }
        Address::Webdav(server) => {
            let store = WebdavStore::open(server, settings, access)?;
            Ok(decorated(store, SERVER_CALLS, access))
        }
        Address::Sftp(server) => {
            let store = SftpStore::open(server, access)?;
            Ok(decorated(store, SERVER_CALLS, access))
        }
        Address::Rclone(remote) => {
            let store = RcloneStore::open(remote, access)?;
            Ok(decorated(store, SERVER_CALLS, access))
        }
        Address::Folder(path) => Ok(Arc::new(FolderStore::open(path, &access.tag)?)),
    }
}

/// How long the first answer is waited for.
#[cfg(feature = "remote")]
const FIRST_ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

/// Calls at once: what a bucket and a single server bear well.
#[cfg(feature = "remote")]
const BUCKET_CALLS: usize = 8;
#[cfg(feature = "remote")]
const SERVER_CALLS: usize = 4;

#[cfg(feature = "remote")]
fn decorated<S: Store + 'static>(store: S, calls: usize, access: &Access) -> Arc<dyn Store> {
    let throttled = crate::store::throttle::Throttle::new(store, calls);
    let host = access.host.clone();
    let retry = crate::store::retry::Retry::new(throttled, host, access.patience);
    Arc::new(retry.with_first(FIRST_ANSWER))
}
