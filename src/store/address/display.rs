//! Addresses written back, as `parse` reads them.

use crate::store::address::{Address, BucketAddress, Provider, SftpAddress, WebdavAddress};
use std::fmt;

/// What `decoded` turns back, readable otherwise.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_ascii_control() || matches!(c, ' ' | '%' | '?' | '#' | '@') {
                write!(f, "%{:02X}", u32::from(c))?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Address {
    /// As [`parse`] reads it, without settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(address) => write!(f, "{address}"),
            Self::Sftp(address) => write!(f, "{address}"),
            Self::Webdav(address) => write!(f, "{address}"),
            Self::Rclone(remote) => write!(f, "rclone:{remote}"),
        }
    }
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Provider::S3 => write!(f, "s3://{}", self.bucket)?,
            Provider::Gcs => write!(f, "gs://{}", self.bucket)?,
            Provider::Azure { account } => write!(f, "az://{account}/{}", self.bucket)?,
        }
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", Encoded(&self.prefix))
    }
}

impl fmt::Display for SftpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sftp://")?;
        write_authority(f, self.user.as_deref(), &self.host, self.port)?;
        match self.path.as_str() {
            "." => f.write_str("/~/"),
            // From the root, and not the login folder.
            path if path == "/~" || path.starts_with("/~/") => write!(f, "/{}", Encoded(path)),
            path if path.starts_with('/') => write!(f, "{}", Encoded(path)),
            path => write!(f, "/~/{}", Encoded(path)),
        }
    }
}

impl fmt::Display for WebdavAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "webdavs://" } else { "webdav://" })?;
        write_authority(f, self.user.as_deref(), &self.host, self.port)?;
        write!(f, "/{}", Encoded(&self.path))
    }
}

fn write_authority(
    f: &mut fmt::Formatter<'_>,
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
) -> fmt::Result {
    if let Some(user) = user {
        for (at, part) in user.split('/').enumerate() {
            // A slash would end it.
            f.write_str(if at == 0 { "" } else { "%2F" })?;
            write!(f, "{}", Encoded(part))?;
        }
        f.write_str("@")?;
    }
    if host.contains(':') {
        write!(f, "[{host}]")?;
    } else {
        f.write_str(host)?;
    }
    match port {
        Some(port) => write!(f, ":{port}"),
        None => Ok(()),
    }
}
