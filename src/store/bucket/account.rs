//! Who we are to an object storage, and the client for it.
//!
//! Credentials come from the command in the configuration, then from variables handed down; only what these do not
//! say is left to `object_store`, which asks the cloud that the machine runs in.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::store::access::{Access, Secret};
use crate::store::address::{BucketAddress, Provider, Settings};
use crate::store::answer::seconds_since_1970;
use crate::store::bucket::clients::{Clients, locked};
use crate::store::bucket::connector::{Connector, note_secret};
use crate::store::wire::{Wire, is_loopback};
use async_trait::async_trait;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::CredentialProvider;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Credentials are asked for anew so long before they expire.
const EARLY: i64 = 5 * 60;

/// Variables that say who we are. Those that would change which place is meant are not among them.
const AWS: [&str; 12] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_REQUEST_PAYER",
];
const GOOGLE: [&str; 3] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];
const AZURE: [&str; 12] = [
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_MSI_ENDPOINT",
    "AZURE_IDENTITY_ENDPOINT",
];

/// The client for `address`. Nothing is asked over the network yet.
pub(super) fn open(
    address: &BucketAddress,
    settings: &Settings,
    access: &Access,
) -> Result<Clients> {
    if let Some(endpoint) = &settings.endpoint {
        check_endpoint(endpoint, settings.allow_http)?;
    }
    let wire = Connector(Arc::new(Wire::new(access)?));
    let opened = match &address.provider {
        Provider::S3 => s3(address, settings, access, wire),
        Provider::Gcs => gcs(address, settings, access, wire),
        Provider::Azure { account } => azure(address, account, settings, access, wire),
    };
    opened.map_err(|error| error.during(format!("open {address}")))
}

/// Plain HTTP only where nobody can listen, unless the user says otherwise.
fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<()> {
    let wrong = |why: &'static str| {
        Err(Error::new(Kind::Usage, format!("read the endpoint {endpoint}")).because(why))
    };
    let Ok(url) = reqwest::Url::parse(endpoint) else {
        return wrong("expected is https://host or https://host:port");
    };
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        _ if host.is_empty() || url.query().is_some() || !url.username().is_empty() => {
            wrong("expected is https://host or https://host:port")
        }
        "https" => Ok(()),
        "http" if allow_http || is_loopback(host) => Ok(()),
        "http" => {
            wrong("plain HTTP shows all names to everyone on the way; allow_http=true permits it")
        }
        _ => wrong("expected is https://host or https://host:port"),
    }
}

fn never_again() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        retry_timeout: Duration::ZERO,
        ..RetryConfig::default()
    }
}

fn unusable(error: object_store::Error) -> Error {
    Error::new(Kind::Usage, "read the settings and credentials").because(error.to_string())
}

/// Those of the variables that are set, under the keys that the library has for them.
fn settled<'a, K: FromStr>(
    access: &'a Access,
    names: &'a [&str],
) -> impl Iterator<Item = (K, &'a String)> {
    let key = |name: &str| name.to_ascii_lowercase().parse().ok();
    let set = names.iter();
    set.filter_map(move |name| Some((key(name)?, access.variables.get(*name)?)))
}

fn s3(
    address: &BucketAddress,
    settings: &Settings,
    access: &Access,
    wire: Connector,
) -> Result<Clients> {
    let bucket = &address.bucket;
    // A bucket's name with dots in it fits no certificate.
    let in_path = settings
        .path_style
        .unwrap_or(settings.endpoint.is_some() || bucket.contains('.'));
    let mut builder = AmazonS3Builder::new();
    for (key, value) in settled::<AmazonS3ConfigKey>(access, &AWS) {
        builder = builder.with_config(key, value);
    }
    let variable = |name: &str| access.variables.get(name).cloned();
    let region = settings.region.clone();
    let region =
        region.or_else(|| variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")));
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        let endpoint = endpoint.trim_end_matches('/');
        let endpoint = match endpoint.split_once("://") {
            Some((scheme, host)) if !in_path => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.to_owned(),
        };
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(secret) = &access.secret {
        builder = builder.with_credentials(Arc::new(Command {
            secret: secret.clone(),
            host: access.host.clone(),
            kept: Mutex::default(),
        }));
    }
    let builder = builder
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(!in_path)
        .with_checksum_algorithm(Checksum::SHA256)
        // One object at a time: the bulk call is missing on some servers.
        .with_disable_bulk_delete(true)
        .with_allow_http(true)
        .with_retry(never_again())
        .with_http_connector(wire);
    let plain = builder.clone().build().map_err(unusable)?;
    let mut clients = Clients::one(plain);
    if let Some(time) = access.retention {
        let locking = builder.with_client_options(locked(time, access)?);
        clients.locking = Arc::new(locking.build().map_err(unusable)?);
    }
    Ok(clients)
}

fn gcs(
    address: &BucketAddress,
    settings: &Settings,
    access: &Access,
    wire: Connector,
) -> Result<Clients> {
    let mut builder = GoogleCloudStorageBuilder::new();
    if let Some(secret) = &access.secret {
        let lines = secret()?;
        builder = match lines.first().map(|line| line.trim()) {
            Some(line) if line.starts_with('{') => {
                builder.with_service_account_key(lines.join("\n"))
            }
            Some(token) if lines.len() == 1 && !token.is_empty() => {
                builder.with_bearer_token(token)
            }
            _ => {
                return Err(unfit(
                    "a service account key in JSON, or an access token on one line",
                ));
            }
        };
    } else {
        for (key, value) in settled::<GoogleConfigKey>(access, &GOOGLE) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    let client = builder
        .with_bucket_name(&address.bucket)
        .with_retry(never_again())
        .with_http_connector(wire)
        .build()
        .map_err(unusable)?;
    Ok(Clients::one(client))
}

fn azure(
    address: &BucketAddress,
    account: &str,
    settings: &Settings,
    access: &Access,
    wire: Connector,
) -> Result<Clients> {
    let mut builder = MicrosoftAzureBuilder::new();
    if let Some(secret) = &access.secret {
        let lines = secret()?;
        let Some(key) = lines
            .iter()
            .rev()
            .map(|line| line.trim())
            .find(|line| !line.is_empty())
        else {
            return Err(unfit("an account's key or a shared access signature"));
        };
        builder = match key.contains("sig=") {
            true => builder.with_config(AzureConfigKey::SasKey, key),
            false => builder.with_access_key(key),
        };
    } else {
        for (key, value) in settled::<AzureConfigKey>(access, &AZURE) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let client = builder
        .with_account(account)
        .with_container_name(&address.bucket)
        .with_allow_http(true)
        .with_retry(never_again())
        .with_http_connector(wire)
        .build()
        .map_err(unusable)?;
    Ok(Clients::one(client))
}

fn unfit(expected: &str) -> Error {
    Error::new(Kind::Usage, "read what credentials_command printed")
        .because(format!("expected is {expected}"))
}

/// Credentials of a command, kept until shortly before they expire.
struct Command {
    secret: Secret,
    host: Arc<dyn Host>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credential: Arc<AwsCredential>,
    expires: Option<i64>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials_command")
    }
}

#[async_trait]
impl CredentialProvider for Command {
    type Credential = AwsCredential;

    /// Runs the command on the caller's own thread: whoever waits for an answer waits for the credentials first.
    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.host.now().seconds;
        let is_fresh = |kept: &&Kept| kept.expires.is_none_or(|expires| now < expires - EARLY);
        if let Some(kept) = kept.as_ref().filter(is_fresh) {
            return Ok(kept.credential.clone());
        }
        match (self.secret)().and_then(|lines| key_pair(&lines)) {
            Ok(found) => Ok(kept.insert(found).credential.clone()),
            Err(error) => {
                let source = error.to_string().into();
                note_secret(error);
                Err(object_store::Error::Generic {
                    store: "S3",
                    source,
                })
            }
        }
    }
}

/// An id and a secret on two lines, or the JSON of a credential process.
fn key_pair(lines: &[String]) -> Result<Kept> {
    let expected = "an id and a secret on two lines, or the JSON of an AWS credential process";
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let json: serde_json::Value;
    let (key_id, secret_key, token, expires) = match lines[..] {
        [first, ..] if first.starts_with('{') => {
            json = serde_json::from_str(&lines.join("\n")).map_err(|_| unfit(expected))?;
            let text = |key: &str| json.get(key).and_then(|value| value.as_str());
            let expires = text("Expiration").map(|moment| {
                moment_of(moment).ok_or_else(|| unfit("an Expiration like 2026-11-22T16:05:54Z"))
            });
            let token = text("SessionToken").map(str::to_owned);
            let (id, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
            (id, secret, token, expires.transpose()?)
        }
        [id, secret] | [id, secret, ""] => (Some(id), Some(secret), None, None),
        _ => return Err(unfit(expected)),
    };
    match (key_id, secret_key) {
        (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => Ok(Kept {
            credential: Arc::new(AwsCredential {
                key_id: id.to_owned(),
                secret_key: secret.to_owned(),
                token,
            }),
            expires,
        }),
        _ => Err(unfit(expected)),
    }
}

/// `2026-11-22T16:05:54Z`, `…54.123+01:00`: seconds since 1970.
fn moment_of(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let date = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
    let time = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    let moment = seconds_since_1970(date, time)?;
    let zone = text
        .get(19..)?
        .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    if matches!(zone, "Z" | "z") {
        return Some(moment);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let east = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(moment - sign * east * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FixedHost;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_command_prints_two_lines_or_json() {
        let kept = key_pair(&lines("AKIA\nsecret\n")).unwrap();
        assert_eq!(
            (kept.credential.key_id.as_str(), kept.expires),
            ("AKIA", None)
        );
        let json = r#"{
            "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": "s",
            "SessionToken": "t", "Expiration": "2026-11-22T17:05:54+01:00"
        }"#;
        let kept = key_pair(&lines(json)).unwrap();
        assert_eq!(kept.credential.token.as_deref(), Some("t"));
        assert_eq!(kept.expires, moment_of("2026-11-22T16:05:54Z"));
        for bad in [
            "",
            "one",
            "a\nb\nc",
            "{",
            "{}",
            "\nsecret",
            r#"{"AccessKeyId": 1}"#,
        ] {
            let error = key_pair(&lines(bad)).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad}");
            assert!(!error.chain().contains("secret\""));
        }
    }

    #[test]
    fn moments() {
        assert_eq!(moment_of("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(moment_of("1994-11-06T08:49:37.5Z"), Some(784_111_777));
        assert_eq!(moment_of("1994-11-06T10:49:37+0200"), Some(784_111_777));
        assert_eq!(moment_of("1994-11-06T03:19:37-05:30"), Some(784_111_777));
        for bad in [
            "",
            "1994-11-06",
            "1994-11-06T08:49:37",
            "1994-13-06T08:49:37Z",
            "1994-11-06T08:49:37+é",
        ] {
            assert_eq!(moment_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_command_runs_again_before_its_credentials_expire() {
        let runs = Arc::new(AtomicU32::new(0));
        let host = Arc::new(FixedHost::new(1));
        let expires = host.now().seconds + EARLY + 100;
        let counted = runs.clone();
        let secret: Secret = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let moment = crate::units::moment_to_rfc3339(expires);
            Ok(vec![format!(
                r#"{{"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"{moment}"}}"#
            )])
        });
        let command = Command {
            secret,
            host: host.clone(),
            kept: Mutex::default(),
        };
        let ask = || crate::store::runtime::wait(command.get_credential()).unwrap();
        ask();
        ask();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        host.sleep(Duration::from_secs(200));
        ask();
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "https://s3.example.org",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "http://localhost",
        ] {
            check_endpoint(good, false).unwrap();
        }
        for bad in [
            "http://192.0.2.1",
            "http://localhost.example.org",
            "s3.example.org",
            "ftp://x",
            "https://a:b@c",
            "https://a?b",
        ] {
            assert_eq!(
                check_endpoint(bad, false).unwrap_err().kind(),
                Kind::Usage,
                "{bad}"
            );
        }
        check_endpoint("http://192.0.2.1", true).unwrap();
    }
}
