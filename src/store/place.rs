//! Which disk, host or bucket a location really is: two folders on one disk are one copy.
//!
//! A folder is led to the disk below it through its file system, partitions, encryption and volumes, by
//! `/sys/dev/block`. What the kernel does not tell there, as for network and pooled file systems, is told apart by
//! device number and by the source of its mount. Names are compared as written: whoever gives one server two names is
//! not found out.

use crate::store::address::{Address, BucketAddress, Provider};
use rustix::fs::{major, minor};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Disks below disks: no stack of them is deeper.
const DEPTH_MAX: usize = 16;

/// What would be lost together with a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder: the disks below it, such as `sda`; empty if they could not be found.
    Disks {
        /// Names of the kernel.
        disks: BTreeSet<String>,
        /// The device number of its file system.
        device: Option<u64>,
        /// The host of a network file system.
        host: Option<String>,
    },
    /// A host, in lower case.
    Host(String),
    /// A bucket, and where it is.
    Bucket {
        /// Whose; the account stands in front of the container.
        provider: &'static str,
        /// The server, if it is not the provider's own.
        endpoint: Option<String>,
        /// Its name.
        bucket: String,
    },
    /// A remote of rclone, which alone knows where that is.
    Remote(String),
}

/// Where `address` is. Folders that do not exist yet are where the folder above them is.
pub fn place(address: &Address) -> Place {
    match address {
        Address::Folder(path) => folder(path),
        Address::Bucket(bucket) => bucket_place(bucket, None),
        Address::Sftp(address) => host(&address.host),
        Address::Webdav(address) => host(&address.host),
        Address::Rclone(remote) => rclone(remote),
    }
}

/// As [`place`], for a bucket on a server of somebody else.
pub fn place_at(address: &Address, endpoint: Option<&str>) -> Place {
    match address {
        Address::Bucket(bucket) => bucket_place(bucket, endpoint),
        other => place(other),
    }
}

impl Place {
    /// What both would be lost with, in plain words: `both are on the disk sda`. `None` if nothing is known to be shared.
    pub fn shared(&self, other: &Self) -> Option<String> {
        let shared = match (self, other) {
            (
                Self::Disks { disks, device, .. },
                Self::Disks {
                    disks: others,
                    device: other,
                    ..
                },
            ) => {
                let common: Vec<_> = disks.intersection(others).map(String::as_str).collect();
                match common[..] {
                    [] if device.is_some() && device == other => {
                        Some("both are on one file system".to_owned())
                    }
                    [] => None,
                    [disk] => Some(format!("both are on the disk {disk}")),
                    _ => Some(format!("both are on the disks {}", common.join(", "))),
                }
            }
            (Self::Disks { .. }, Self::Host(host)) | (Self::Host(host), Self::Disks { .. })
                if is_here(host) =>
            {
                Some("both are on this machine".to_owned())
            }
            (Self::Bucket { bucket, .. }, Self::Bucket { .. }) if self == other => {
                Some(format!("both are in the bucket {bucket}"))
            }
            (Self::Remote(remote), Self::Remote(other)) if remote == other => {
                Some(format!("both are on the rclone remote {remote}"))
            }
            _ => None,
        };
        let host = || self.host().filter(|host| other.host() == Some(host));
        shared.or_else(|| Some(format!("both are on the host {}", host()?)))
    }

    /// The machine that is known to stand behind it.
    fn host(&self) -> Option<&str> {
        match self {
            Self::Disks { host, .. } => host.as_deref(),
            Self::Host(host) => Some(host),
            Self::Bucket { endpoint, .. } => endpoint.as_deref(),
            Self::Remote(_) => None,
        }
    }
}

fn is_here(host: &str) -> bool {
    matches!(host, "localhost" | "::1") || host.starts_with("127.")
}

fn host(name: &str) -> Place {
    Place::Host(name.trim_end_matches('.').to_ascii_lowercase())
}

fn rclone(remote: &str) -> Place {
    // A local folder by way of rclone is a folder.
    if let Some(path) = remote.strip_prefix(":local:") {
        return folder(Path::new(path));
    }
    let inline = usize::from(remote.starts_with(':'));
    let end = remote[inline..]
        .find(':')
        .map_or(remote.len(), |at| at + inline);
    Place::Remote(remote[..end].to_owned())
}

fn bucket_place(address: &BucketAddress, endpoint: Option<&str>) -> Place {
    let (provider, bucket) = match &address.provider {
        Provider::S3 => ("s3", address.bucket.clone()),
        Provider::Gcs => ("gs", address.bucket.clone()),
        Provider::Azure { account } => ("az", format!("{account}/{}", address.bucket)),
    };
    let server = endpoint.map(|endpoint| {
        let rest = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        let is_port = |port: &str| port.bytes().all(|c| c.is_ascii_digit());
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => authority,
        };
        name.trim_matches(['[', ']']).to_ascii_lowercase()
    });
    Place::Bucket {
        provider,
        endpoint: server,
        bucket,
    }
}

fn folder(path: &Path) -> Place {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find_map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((
            path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            found.dev(),
        ))
    });
    let Some((existing, device)) = existing else {
        return Place::Disks {
            disks: BTreeSet::new(),
            device: None,
            host: None,
        };
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let source = mount_source(&mounts, &existing);
    let mut disks = disks_below(&format!("{}:{}", major(device), minor(device)));
    // Pooled file systems such as btrfs show a number of their own; the mount names one of the devices below.
    if disks.is_empty()
        && let Some(number) = source.as_deref().and_then(number_of)
    {
        disks = disks_below(&number);
    }
    Place::Disks {
        disks,
        device: Some(device),
        host: source.as_deref().and_then(network_host),
    }
}

/// `8:1` of `/dev/sda1`.
fn number_of(source: &str) -> Option<String> {
    let found = fs::metadata(source.starts_with("/dev/").then_some(source)?).ok()?;
    let device = found.rdev();
    (device != 0).then(|| format!("{}:{}", major(device), minor(device)))
}

/// `nas` of `nas:/volume1` and of `//nas/share`.
fn network_host(source: &str) -> Option<String> {
    let name = match source.strip_prefix("//") {
        Some(rest) => rest.split('/').next()?,
        None => {
            let (name, path) = source.split_once(":/")?;
            let _ = path;
            name.trim_matches(['[', ']'])
        }
    };
    // sshfs has a user in front.
    let name = name.rsplit('@').next()?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!name.is_empty() && name.chars().all(fits)).then(|| name.to_ascii_lowercase())
}

/// The source of the file system that `path` is on: the last mount of the longest path that leads there.
fn mount_source(mounts: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let Some(point) = left.split(' ').nth(4).map(unescaped) else {
            continue;
        };
        let Some(source) = right.split(' ').nth(1).map(unescaped) else {
            continue;
        };
        let depth = Path::new(&point).components().count();
        let better = best.as_ref().is_none_or(|(found, _)| depth >= *found);
        if path.starts_with(&point) && better {
            best = Some((depth, source));
        }
    }
    best.map(|(_, source)| source)
}

/// The kernel writes a space as `\040`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                out.extend(&part.as_bytes()[3..]);
            }
            None => {
                out.push(b'\\');
                out.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn disks_below(number: &str) -> BTreeSet<String> {
    disks_in(Path::new("/sys/dev/block"), number)
}

/// The whole disks that a block device lies on, itself if it lies on no other.
fn disks_in(blocks: &Path, number: &str) -> BTreeSet<String> {
    let mut disks = BTreeSet::new();
    let mut open = vec![(blocks.join(number), 0)];
    while let Some((device, depth)) = open.pop() {
        let Ok(device) = device.canonicalize() else {
            continue;
        };
        if depth > DEPTH_MAX {
            continue;
        }
        let below = names_in(&device.join("slaves"));
        if !below.is_empty() {
            let folder = device.join("slaves");
            open.extend(below.iter().map(|name| (folder.join(name), depth + 1)));
        } else if device.join("partition").exists() {
            // The folder of a partition lies in that of its disk.
            open.extend(device.parent().map(|disk| (disk.to_owned(), depth + 1)));
        } else if let Some(file) = backing_file(&device) {
            disks.extend(match folder(&file) {
                Place::Disks { disks, .. } => disks,
                _ => BTreeSet::new(),
            });
        } else if let Some(name) = device.file_name() {
            disks.insert(name.to_string_lossy().into_owned());
        }
    }
    disks
}

/// The file behind a loop device.
fn backing_file(device: &Path) -> Option<PathBuf> {
    let path = fs::read_to_string(device.join("loop/backing_file")).ok()?;
    Some(PathBuf::from(path.trim_end_matches('\n')))
}

fn names_in(folder: &Path) -> Vec<std::ffi::OsString> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::address::parse;
    use std::os::unix::fs::symlink;

    fn of(address: &str) -> Place {
        let (address, settings) = parse(address).unwrap();
        place_at(&address, settings.endpoint.as_deref())
    }

    #[test]
    fn what_is_shared_is_said() {
        let cases = [
            (
                "sftp://nas/a",
                "sftp://me@NAS:2222/b",
                Some("both are on the host nas"),
            ),
            (
                "sftp://nas/a",
                "webdavs://nas/b",
                Some("both are on the host nas"),
            ),
            ("sftp://nas/a", "sftp://other/a", None),
            (
                "s3://box/a",
                "s3://box/b",
                Some("both are in the bucket box"),
            ),
            ("s3://box/a", "s3://other/a", None),
            ("s3://box/a", "gs://box/a", None),
            ("az://one/box", "az://two/box", None),
            (
                "az://one/box",
                "az://one/box/x",
                Some("both are in the bucket one/box"),
            ),
            ("s3://box/a", "s3://box/a?endpoint=https://minio:9000", None),
            (
                "s3://one?endpoint=http://minio:9000",
                "s3://two?endpoint=http://MinIO:9001/x",
                Some("both are on the host minio"),
            ),
            (
                "s3://one?endpoint=http://nas:9000",
                "sftp://nas/x",
                Some("both are on the host nas"),
            ),
            (
                "rclone:drive:a",
                "rclone:drive:b/c",
                Some("both are on the rclone remote drive"),
            ),
            ("rclone:drive:a", "rclone:box:a", None),
            ("rclone::sftp,host=h:a", "rclone::sftp,host=i:a", None),
            (
                "/tmp",
                "sftp://localhost/x",
                Some("both are on this machine"),
            ),
            ("/tmp", "sftp://nas/x", None),
        ];
        for (one, other, expected) in cases {
            let (one, other) = (of(one), of(other));
            assert_eq!(one.shared(&other).as_deref(), expected, "{one:?} {other:?}");
            assert_eq!(other.shared(&one).as_deref(), expected);
        }
    }

    #[test]
    fn two_folders_of_one_file_system_are_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let one = of(folder.path().to_str().unwrap());
        let other = of(folder.path().join("not/there/yet").to_str().unwrap());
        assert_eq!(one, other);
        assert!(one.shared(&other).unwrap().starts_with("both are on "));
        assert_eq!(
            of(&format!("rclone::local:{}", folder.path().display())),
            one
        );
        assert_eq!(of("/proc").shared(&of("/sys")), None);
    }

    #[test]
    fn a_disk_is_found_below_partitions_and_encryption() {
        let sys = tempfile::tempdir().unwrap();
        let at = |path: &str| sys.path().join(path);
        for path in [
            "devices/sda/sda1",
            "devices/sdb",
            "devices/dm-0/slaves",
            "devices/dm-1/slaves",
            "dev",
        ] {
            fs::create_dir_all(at(path)).unwrap();
        }
        fs::write(at("devices/sda/sda1/partition"), "1\n").unwrap();
        symlink(at("devices/sda/sda1"), at("devices/dm-0/slaves/sda1")).unwrap();
        symlink(at("devices/dm-0"), at("devices/dm-1/slaves/dm-0")).unwrap();
        symlink(at("devices/sdb"), at("devices/dm-1/slaves/sdb")).unwrap();
        for (number, target) in [
            ("8:1", "sda/sda1"),
            ("8:16", "sdb"),
            ("253:0", "dm-0"),
            ("253:1", "dm-1"),
        ] {
            symlink(at("devices").join(target), at("dev").join(number)).unwrap();
        }
        let disks = |number| disks_in(&at("dev"), number).into_iter().collect::<Vec<_>>();
        assert_eq!(disks("8:1"), ["sda"]);
        assert_eq!(disks("8:16"), ["sdb"]);
        assert_eq!(disks("253:0"), ["sda"]);
        assert_eq!(disks("253:1"), ["sda", "sdb"]);
        assert!(disks("0:45").is_empty());
        let place = |number| Place::Disks {
            disks: disks_in(&at("dev"), number),
            device: None,
            host: None,
        };
        assert_eq!(
            place("8:1").shared(&place("253:0")).unwrap(),
            "both are on the disk sda"
        );
        assert_eq!(
            place("253:1").shared(&place("253:1")).unwrap(),
            "both are on the disks sda, sdb"
        );
        assert_eq!(place("8:1").shared(&place("8:16")), None);
    }

    #[test]
    fn the_source_of_a_mount_is_found() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      30 22 0:45 / /mnt/nas rw - nfs4 nas.local:/volume1 rw\n\
                      31 22 0:46 / /mnt/my\\040share rw shared:1 - cifs //Server/share rw\n\
                      32 30 0:47 / /mnt/nas rw - fuse.sshfs me@far:/home rw\n";
        let source = |path: &str| mount_source(mounts, Path::new(path));
        assert_eq!(source("/home/x").as_deref(), Some("/dev/sda1"));
        assert_eq!(
            source("/mnt/nas/x").as_deref(),
            Some("me@far:/home"),
            "the later mount"
        );
        assert_eq!(source("/mnt/nasty").as_deref(), Some("/dev/sda1"));
        let share = source("/mnt/my share/x").unwrap();
        assert_eq!(network_host(&share).as_deref(), Some("server"));
        assert_eq!(
            network_host("nas.local:/volume1").as_deref(),
            Some("nas.local")
        );
        assert_eq!(network_host("me@far:/home").as_deref(), Some("far"));
        assert_eq!(network_host("/dev/sda1"), None);
        assert_eq!(network_host("tmpfs"), None);
    }
}
