//! Deletes: what is gone already is done, what the server keeps is no failure of ours.

use crate::error::{Error, Kind, Result};
use crate::store::answer::Answer;
use crate::store::bucket::connector::hearing;
use crate::store::bucket::{BucketStore, KEPT};
use crate::store::retry::Trouble;
use crate::store::runtime::wait;
use object_store::ObjectStoreExt;
use object_store::path::Path;

/// The words by which the bucket itself is said to be missing.
const NOWHERE: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];
/// The words by which a refusal is about who we are, not about what we may do.
const STRANGER: [&str; 7] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
];

impl BucketStore {
    /// Deletes what lies at `path`; `what` says it in errors.
    pub(super) fn remove(&self, what: String, path: &Path) -> Result<()> {
        let (removed, heard) = wait(hearing(self.client.delete(path)));
        let error = match removed {
            Ok(()) => return Ok(()),
            Err(object_store::Error::NotFound { .. }) if !heard.says(&NOWHERE) => return Ok(()),
            Err(error) => error,
        };
        let refused = heard.answer.as_ref().filter(|_| heard.status().is_some());
        if let Some(answer) = refused
            && let Some(refused) = undeleted(what.clone(), answer)
        {
            return Err(refused);
        }
        Err(self.fault(what, &error, heard))
    }
}

/// What a refused delete means: `Refused` where the object is to stay, not where we are strangers.
fn undeleted(what: String, answer: &Answer) -> Option<Error> {
    let kept = answer.says(&KEPT) || answer.status == 403 && !answer.says(&STRANGER);
    (kept && matches!(answer.status, 400..=499)).then(|| {
        let why = format!("the server keeps it ({answer})");
        Error::new(Kind::Refused, what).because(Trouble::FINAL.told(why))
    })
}
