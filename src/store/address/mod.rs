//! Where a mirror lies, as people write it: on the command line, in heirloom.toml, on the kit.
//!
//!     /path  ./path  ~/path  file:///path
//!     s3://bucket/prefix   gs://bucket/prefix   az://account/container/prefix
//!     sftp://[user@]host[:port]/path            ~ as the first part: below the login folder
//!     webdavs://[user@]host[:port]/path         webdav:// for plain HTTP
//!     rclone:remote:path
//!
//! `?key=value&…` may follow, except on folders and on rclone's own addresses, where a question mark is part of a
//! name. Never a secret: an address is printed, logged and kept on paper. In what follows the host `%20` and its like
//! stand for one byte, as in any URL.

mod display;

use crate::error::{Error, Kind, Result};
use std::path::PathBuf;

/// A place for a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder on a disk, as written: relative and `~/` are left to who knows the current folder and the home.
    Folder(PathBuf),
    /// A bucket of an object storage.
    Bucket(BucketAddress),
    /// A folder on an SSH server.
    Sftp(SftpAddress),
    /// A folder on a WebDAV server.
    Webdav(WebdavAddress),
    /// `remote:path`, which the rclone program understands.
    Rclone(String),
}

/// Whose object storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and every server that speaks its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
    },
}

/// A bucket and a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAddress {
    /// Whose.
    pub provider: Provider,
    /// The bucket; Azure says container.
    pub bucket: String,
    /// What all names begin with; no slash at either end, empty for the whole bucket.
    pub prefix: String,
}

/// A folder on an SSH server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpAddress {
    /// Where it is given; otherwise ssh decides.
    pub user: Option<String>,
    /// A name, a number, or an alias of the user's ssh configuration; an IPv6 number without its brackets.
    pub host: String,
    /// Where it is given; otherwise ssh decides.
    pub port: Option<u16>,
    /// Absolute, or relative to the login folder: `.` is that folder itself.
    pub path: String,
}

/// A folder on a WebDAV server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebdavAddress {
    /// HTTPS.
    pub tls: bool,
    /// Who logs in.
    pub user: Option<String>,
    /// A name or a number; an IPv6 number without its brackets.
    pub host: String,
    /// Where it is not the scheme's own.
    pub port: Option<u16>,
    /// From the server's root, decoded; no slash at either end.
    pub path: String,
}

/// What may follow an address, or stand beside it in heirloom.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The server of a bucket: `https://s3.example.org`.
    pub endpoint: Option<String>,
    /// The region of a bucket.
    pub region: Option<String>,
    /// Whether the bucket stands in the path and not in the host's name.
    pub path_style: Option<bool>,
    /// A PEM file of further certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP beyond this machine.
    pub allow_http: bool,
}

/// Reads an address and the settings behind it.
///
/// # Errors
/// [`Kind::Usage`], which says what is expected.
pub fn parse(text: &str) -> Result<(Address, Settings)> {
    if let Some(remote) = text.strip_prefix("rclone:") {
        return rclone(text, remote).map(|address| (address, Settings::default()));
    }
    // No scheme has a slash in it, and a folder's name may have anything.
    let parts = text.split_once("://");
    let Some((scheme, rest)) = parts.filter(|(scheme, _)| !scheme.contains('/')) else {
        return folder(text).map(|address| (address, Settings::default()));
    };
    if scheme == "file" {
        if !rest.starts_with('/') {
            return Err(wrong(text, "a file:// address begins with file:///"));
        }
        return Ok((
            Address::Folder(decoded(text, rest)?.into()),
            Settings::default(),
        ));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = match scheme {
        "s3" => bucket(text, Provider::S3, rest)?,
        "gs" => bucket(text, Provider::Gcs, rest)?,
        "az" => azure(text, rest)?,
        "sftp" => sftp(text, rest)?,
        "webdav" => webdav(text, false, rest)?,
        "webdavs" => webdav(text, true, rest)?,
        "http" | "https" => {
            return Err(wrong(
                text,
                "a WebDAV server is webdavs://host/path, an S3 server s3://bucket/prefix?endpoint=https://host",
            ));
        }
        _ => return Err(wrong(text, KNOWN)),
    };
    Ok((address, settings(text, query)?))
}

const KNOWN: &str =
    "known are /path, s3://, gs://, az://, sftp://, webdavs:// and rclone:remote:path";

fn wrong(text: &str, why: impl Into<String>) -> Error {
    Error::new(Kind::Usage, format!("read the address {text}")).because(why.into())
}

fn folder(text: &str) -> Result<Address> {
    if text.is_empty() {
        return Err(Error::new(Kind::Usage, "read an empty address").because(KNOWN));
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if matches!(
        scheme,
        "s3" | "gs" | "az" | "sftp" | "webdav" | "webdavs" | "file"
    ) {
        let why = format!("after {scheme}: two slashes are due; a folder of that name is ./{text}");
        return Err(wrong(text, why));
    }
    Ok(Address::Folder(text.into()))
}

fn rclone(text: &str, remote: &str) -> Result<Address> {
    let named = |name: &str| !name.is_empty() && !name.starts_with('-');
    // rclone itself makes remotes on the fly from `:backend:` and has no other name that begins with a colon.
    let (name, _) = remote
        .trim_start_matches(':')
        .split_once(':')
        .ok_or_else(|| wrong(text, "expected is rclone:remote:path"))?;
    if !named(name) || !named(remote) || remote.chars().any(char::is_control) {
        return Err(wrong(text, "expected is rclone:remote:path"));
    }
    Ok(Address::Rclone(remote.to_owned()))
}

fn bucket(text: &str, provider: Provider, rest: &str) -> Result<Address> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    if bucket.is_empty() || !bucket.bytes().all(fits) || bucket.starts_with(['.', '-']) {
        return Err(wrong(
            text,
            "a bucket's name is letters, digits, dots and dashes",
        ));
    }
    Ok(Address::Bucket(BucketAddress {
        provider,
        bucket: bucket.to_owned(),
        prefix: tidy_path(text, prefix)?,
    }))
}

fn azure(text: &str, rest: &str) -> Result<Address> {
    let (account, rest) = rest
        .split_once('/')
        .ok_or_else(|| wrong(text, "expected is az://account/container/prefix"))?;
    if account.is_empty() || !account.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return Err(wrong(text, "an account's name is letters and digits"));
    }
    let account = account.to_owned();
    bucket(text, Provider::Azure { account }, rest)
}

fn sftp(text: &str, rest: &str) -> Result<Address> {
    let (authority, path) = rest
        .split_once('/')
        .ok_or_else(|| wrong(text, "expected is sftp://host/path, or sftp://host/~/path"))?;
    let (user, host, port) = authority_parts(text, authority)?;
    let path = decoded(text, path)?;
    let below_login = path.strip_prefix("~/").or((path == "~").then_some(""));
    let path = match below_login {
        Some(below) => match below.trim_matches('/') {
            "" => ".".to_owned(),
            below => below.to_owned(),
        },
        None => format!("/{}", path.trim_matches('/')),
    };
    Ok(Address::Sftp(SftpAddress {
        user,
        host,
        port,
        path,
    }))
}

fn webdav(text: &str, tls: bool, rest: &str) -> Result<Address> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host, port) = authority_parts(text, authority)?;
    Ok(Address::Webdav(WebdavAddress {
        tls,
        user,
        host,
        port,
        path: tidy_path(text, path)?,
    }))
}

/// `[user@]host[:port]`
fn authority_parts(text: &str, authority: &str) -> Result<(Option<String>, String, Option<u16>)> {
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(decoded(text, user)?), place),
        None => (None, authority),
    };
    if user.as_ref().is_some_and(|user| user.contains(':')) {
        let why = "a password does not belong in an address: use password_command";
        // The text itself is not repeated: the password would stand in every log.
        return Err(Error::new(Kind::Usage, "read an address with a password in it").because(why));
    }
    let (host, port) = match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (host, rest),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        digits => Some(
            digits
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| wrong(text, "a port is a number from 1 to 65535"))?,
        ),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(fits) {
        return Err(wrong(text, "after the two slashes a host's name is due"));
    }
    let bad_user = |user: &String| {
        user.is_empty() || user.starts_with('-') || user.chars().any(char::is_control)
    };
    if user.as_ref().is_some_and(bad_user) {
        return Err(wrong(text, "that is no user's name"));
    }
    Ok((user, host.to_owned(), port))
}

/// Decoded, without slashes at its ends, and without parts that a server might read in its own way.
fn tidy_path(text: &str, path: &str) -> Result<String> {
    let path = decoded(text, path)?.trim_matches('/').to_owned();
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if !path.is_empty() && path.split('/').any(odd) {
        return Err(wrong(text, "a path has no empty parts and no dots alone"));
    }
    Ok(path)
}

fn settings(text: &str, query: &str) -> Result<Settings> {
    let mut settings = Settings::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            wrong(
                text,
                format!("{pair}: after a question mark, key=value is due"),
            )
        })?;
        let value = decoded(text, value)?;
        match key {
            "endpoint" => settings.endpoint = Some(value),
            "region" => settings.region = Some(value),
            "path_style" => settings.path_style = Some(yes_or_no(text, key, &value)?),
            "ca_file" => settings.ca_file = Some(value.into()),
            "allow_http" => settings.allow_http = yes_or_no(text, key, &value)?,
            _ => {
                let known = "endpoint, region, path_style, ca_file and allow_http";
                return Err(wrong(
                    text,
                    format!("unknown setting {key}: known are {known}"),
                ));
            }
        }
    }
    Ok(settings)
}

fn yes_or_no(text: &str, key: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(text, format!("{key} is true or false"))),
    }
}

/// `%20` becomes a space; a percent sign without two digits stays what it is.
fn decoded(text: &str, part: &str) -> Result<String> {
    let digit = |c: Option<&u8>| c.and_then(|c| char::from(*c).to_digit(16));
    let (bytes, mut out, mut at) = (part.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        if let (b'%', (Some(high), Some(low))) = (byte, pair) {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(out)
        .ok()
        .filter(|out| !out.contains('\0'))
        .ok_or_else(|| wrong(text, "it is not UTF-8 after the percent signs are resolved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        parse(text).unwrap().0
    }

    fn bucket_of(provider: Provider, bucket: &str, prefix: &str) -> Address {
        Address::Bucket(BucketAddress {
            provider,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in [
            "sftp://host//~/a",
            "sftp://host//~",
            "sftp://host/~/a",
            "sftp://host/~/~/a",
            "sftp://a%2Fb@host/c",
            "webdavs://a%2Fb@host/c",
        ] {
            let one = address(text);
            assert_eq!(address(&one.to_string()), one, "{text}");
        }
    }

    #[test]
    fn folders_stay_as_written() {
        for text in [
            "/a/b", "./a", "a", "~/a", "a?b=c", "a:b", "/a://b", "./s3://b",
        ] {
            assert_eq!(
                parse(text).unwrap(),
                (Address::Folder(text.into()), Settings::default())
            );
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("file:///a%20b"), Address::Folder("/a b".into()));
    }

    #[test]
    fn buckets() {
        let account = "backups".to_owned();
        for (text, expected) in [
            ("s3://box", bucket_of(Provider::S3, "box", "")),
            (
                "s3://my-box.1/a/b",
                bucket_of(Provider::S3, "my-box.1", "a/b"),
            ),
            ("gs://box/a%20b", bucket_of(Provider::Gcs, "box", "a b")),
            (
                "az://backups/box/a",
                bucket_of(Provider::Azure { account }, "box", "a"),
            ),
        ] {
            assert_eq!(address(text), expected);
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("s3://box//a/"), bucket_of(Provider::S3, "box", "a"));
    }

    #[test]
    fn servers() {
        let Address::Sftp(found) = address("sftp://me@nas.local:2222/srv/a%3Fb") else {
            panic!("not SFTP");
        };
        assert_eq!(
            (found.user.as_deref(), found.host.as_str()),
            (Some("me"), "nas.local")
        );
        assert_eq!((found.port, found.path.as_str()), (Some(2222), "/srv/a?b"));
        for (text, path) in [
            ("sftp://nas/~/backup/x", "backup/x"),
            ("sftp://nas/~/", "."),
            ("sftp://nas/", "/"),
            ("sftp://[fe80::1]:22/x", "/x"),
        ] {
            let Address::Sftp(found) = address(text) else {
                panic!("not SFTP");
            };
            assert_eq!(found.path, path);
            assert_eq!(found.to_string(), text);
        }
        let Address::Webdav(found) = address("webdavs://me%40example.org@cloud/dav/my%20files/")
        else {
            panic!("not WebDAV");
        };
        assert_eq!(
            (found.tls, found.user.as_deref()),
            (true, Some("me@example.org"))
        );
        assert_eq!(found.path, "dav/my files");
        assert_eq!(
            found.to_string(),
            "webdavs://me%40example.org@cloud/dav/my%20files"
        );
        assert_eq!(
            address("webdav://[::1]:80").to_string(),
            "webdav://[::1]:80/"
        );
        assert_eq!(
            address("rclone:drive:a b"),
            Address::Rclone("drive:a b".to_owned())
        );
        assert_eq!(address("rclone::local:/x").to_string(), "rclone::local:/x");
    }

    #[test]
    fn settings_follow() {
        let text = "s3://box/a?endpoint=http://[::1]:9000&region=eu&path_style=false&ca_file=/a%26b&allow_http=true";
        let (address, settings) = parse(text).unwrap();
        assert_eq!(address.to_string(), "s3://box/a");
        assert_eq!(
            settings,
            Settings {
                endpoint: Some("http://[::1]:9000".to_owned()),
                region: Some("eu".to_owned()),
                path_style: Some(false),
                ca_file: Some("/a&b".into()),
                allow_http: true,
            }
        );
    }

    #[test]
    fn mistakes_are_explained() {
        for text in [
            "",
            "s3:box",
            "s3://",
            "s3://-box",
            "s3://box/../a",
            "s3://box/a//b",
            "s3://box?colour=red",
            "s3://box?region",
            "s3://box?allow_http=maybe",
            "s3://box/%ff",
            "s3://box/%00",
            "az://account",
            "az://acc-ount/box",
            "sftp://nas",
            "sftp:///x",
            "sftp://-oProxyCommand=x/y",
            "sftp://-l@nas/y",
            "sftp://nas:0/x",
            "sftp://nas:x/x",
            "webdavs://ho st/x",
            "https://host/x",
            "ftp://host/x",
            "file://host/x",
            "rclone:drive",
            "rclone:-x:y",
            "rclone::y",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(
                error.chain().len() > error.what().len() + 10,
                "{text}: {}",
                error.chain()
            );
        }
        let error = parse("webdavs://me:hunter2@host/x").unwrap_err();
        assert!(!error.chain().contains("hunter2"));
    }
}
