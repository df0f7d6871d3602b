//! Stores against the real servers that tests/servers.sh starts. Each test works below a place of its own.

mod faults;
mod http;
mod kills;
mod locks;
mod mirrors;
mod probes;
mod proxies;
mod rclone;
mod requests;
mod sftp;
mod tls;

use heirloom::cli::host::RealHost;
use heirloom::host::Host;
use heirloom::store::Store;
use heirloom::store::access::{Access, Limits};
use heirloom::store::address::parse;
use heirloom::store::open::open;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where keys, configurations and data of the servers lie.
fn servers() -> PathBuf {
    match std::env::var_os("TEST_SERVERS") {
        Some(path) => path.into(),
        None => panic!("no servers: type `tests/servers.sh cargo test -- --include-ignored`"),
    }
}

/// A name that no other test and no other run has.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

/// What a store needs, with the real clock and little patience.
fn access() -> Access {
    let host: Arc<dyn Host> = Arc::new(RealHost::new());
    let mut access = Access::new(host, "0a1b2c3d", Limits::default());
    access.patience = Duration::from_secs(20);
    let config = servers().join("ssh_config");
    access.ssh = vec!["ssh".into(), "-F".into(), config.into()];
    let rclone = servers().join("rclone");
    access.rclone = vec![rclone.into(), "--config".into(), "/dev/null".into()];
    access
}

/// A place in a bucket of the S3 server at this port.
fn s3(port: u16, bucket: &str, place: &str, mut access: Access) -> Arc<dyn Store> {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "ciaccess"),
        ("AWS_SECRET_ACCESS_KEY", "cisecretcisecret"),
    ] {
        access.variables.insert(name.to_owned(), value.to_owned());
    }
    let text = format!("s3://{bucket}/{place}?endpoint=http://127.0.0.1:{port}&path_style=true");
    let (address, settings) = parse(&text).unwrap();
    open(&address, &settings, &access).unwrap()
}

/// A folder of the WebDAV server at this port.
fn dav(port: u16, place: &str, mut access: Access) -> Arc<dyn Store> {
    access.user = Some("ci".to_owned());
    access.secret = Some(Arc::new(|| Ok(vec!["secret".to_owned()])));
    let (address, settings) = parse(&format!("webdav://127.0.0.1:{port}/{place}")).unwrap();
    open(&address, &settings, &access).unwrap()
}
