//! Stores against the real servers that tests/servers.sh starts. Each test works below a place of its own.

mod http;
mod proxies;
mod rclone;
mod sftp;

use heirloom::cli::host::RealHost;
use heirloom::host::Host;
use heirloom::store::access::{Access, Limits};
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
