//! The real program killed beside a real bucket.

use crate::kills::beside;
use crate::servers::unique;

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn whatever_is_killed_at_any_moment_loses_nothing_beside_a_bucket() {
    let place = || {
        format!(
            "s3://plain/kills-{}?endpoint=http://127.0.0.1:28333",
            unique()
        )
    };
    let variables = [
        ("AWS_ACCESS_KEY_ID", "ciaccess"),
        ("AWS_SECRET_ACCESS_KEY", "cisecretcisecret"),
    ];
    beside(&place, &variables);
}
