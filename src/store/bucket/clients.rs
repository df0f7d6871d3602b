//! The clients of one bucket: one that reads, and one whose puts are kept under a lock.
//!
//! The lock is asked for in headers that the crate signs and sends with every request of a client, so the client that puts
//! under a lock does nothing else. A delete of a locked object hides it; its bytes stay until the date.

use crate::error::{Error, Kind, Result};
use crate::store::access::Access;
use crate::units::moment_to_rfc3339;
use http::{HeaderName, HeaderValue};
use object_store::list::PaginatedListStore;
use object_store::{ClientOptions, ObjectStore};
use std::sync::Arc;
use std::time::Duration;

/// No lock lasts longer: the end of the year 9999, the last that a date can name.
const LATEST: i64 = 253_402_300_799;

/// A client that reads, writes and lists by the page.
pub(super) trait Client: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Client for T {}

/// The clients of one store, with the same credentials.
pub(super) struct Clients {
    /// Reads, lists, deletes, and puts what need not stay.
    pub(super) plain: Arc<dyn Client>,
    /// Puts what is kept under a lock; the same one where nothing is.
    pub(super) locking: Arc<dyn Client>,
}

impl Clients {
    /// One for everything.
    pub(super) fn one(client: impl Client) -> Self {
        let plain: Arc<dyn Client> = Arc::new(client);
        Self {
            locking: Arc::clone(&plain),
            plain,
        }
    }
}

/// What each put says of a lock. The date is fixed in it: a store lasts one run.
///
/// # Errors
/// `Usage` where the date cannot be said.
pub(super) fn locked(time: Duration, access: &Access) -> Result<ClientOptions> {
    let time = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let now = access.host.now().seconds;
    let until = moment_to_rfc3339(now.saturating_add(time).min(LATEST));
    let until = HeaderValue::from_str(&until).map_err(|error| {
        Error::new(Kind::Usage, "read how long objects are locked").because(error)
    })?;
    let headers = [
        (
            "x-amz-object-lock-mode",
            HeaderValue::from_static("COMPLIANCE"),
        ),
        ("x-amz-object-lock-retain-until-date", until),
    ];
    let headers = headers.map(|(name, value)| (HeaderName::from_static(name), value));
    let options = ClientOptions::new().with_allow_http(true);
    Ok(options.with_default_headers(headers.into_iter().collect()))
}
