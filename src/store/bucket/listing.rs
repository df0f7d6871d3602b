//! Listings, by the page: a thousand names at a time, across the sub-folders of a folder.

use crate::error::{Kind, Result};
use crate::name::Folder;
use crate::store::bucket::connector::hearing;
use crate::store::bucket::{BucketStore, TEMP, senseless};
use crate::store::runtime::wait;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use std::collections::HashSet;

impl BucketStore {
    /// One page of what begins with `prefix`: paths below the bucket's root with lengths, folders, and the next token.
    fn page(
        &self,
        folder: Folder,
        prefix: &str,
        token: Option<String>,
    ) -> Result<PaginatedListResult> {
        let options = PaginatedListOptions {
            delimiter: (folder == Folder::Top).then_some("/".into()),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let (page, heard) = wait(hearing(self.client.list_paginated(prefix, options)));
        page.map_err(|error| {
            let missing = heard.status() == Some(404);
            let fault = self.fault(self.location.listing(folder), &error, heard);
            if missing {
                return fault.with_kind(Kind::NoRepository);
            }
            fault
        })
    }

    /// Calls `each` with every path that begins with `prefix`; the number of folders that `folder` should not have.
    pub(super) fn pages(
        &self,
        folder: Folder,
        prefix: &str,
        each: &mut dyn FnMut(&str, u64) -> Result<()>,
    ) -> Result<u64> {
        let mut strangers = 0;
        let mut seen = HashSet::new();
        let mut token = None;
        loop {
            let page = self.page(folder, prefix, token)?;
            for found in &page.result.common_prefixes {
                let below = found.as_ref().strip_prefix(&self.prefix);
                let ours =
                    |name| name == TEMP || Folder::ALL.iter().any(|known| known.path() == name);
                strangers += u64::from(!below.is_some_and(ours));
            }
            for found in &page.result.objects {
                each(found.location.as_ref(), found.size)?;
            }
            token = page.page_token.filter(|token| !token.is_empty());
            let Some(next) = &token else {
                return Ok(strangers);
            };
            if !seen.insert(next.clone()) {
                let what = self.location.listing(folder);
                return Err(senseless(what, "the server repeats a page of its listing"));
            }
        }
    }
}
