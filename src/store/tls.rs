//! What is wrong with a TLS connection, in words that say who can mend it.

use crate::units::moment_to_rfc3339;
use rustls::{AlertDescription, CertificateError, Error};

const CLOCK: &str = "check this device's clock; if it is right, whoever runs the server has to renew its certificate";
const NAME: &str = "check the location: it must call the server as its certificate does";
const ISSUER: &str = "if the server is your own, name its authority by ca_file = \"/path/authority.pem\" in the table of that mirror; if it is not, somebody else may be answering in its place";
const OWN: &str = "make an authority, let it sign a certificate for the server, and name it by ca_file = \"/path/authority.pem\" in the table of that mirror";
const PORT: &str = "check the port in the location: this one seems to be for plain HTTP";

/// What happened and what to do about it; other causes have no words of ours.
pub(super) fn explain(error: &Error) -> Option<(String, &'static str)> {
    Some(match error {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::InvalidMessage(_) => ("what answers there does not speak TLS".to_owned(), PORT),
        Error::AlertReceived(AlertDescription::CertificateRequired) => (
            "the server wants a certificate of this device".to_owned(),
            "heirloom has none to show: let the server ask for a password instead",
        ),
        _ => return None,
    })
}

fn certificate(fault: &CertificateError) -> (String, &'static str) {
    match fault {
        CertificateError::Expired => ("the server's certificate has expired".to_owned(), CLOCK),
        CertificateError::ExpiredContext { not_after, .. } => {
            let day = day(not_after.as_secs());
            (format!("the server's certificate expired on {day}"), CLOCK)
        }
        CertificateError::NotValidYet => (
            "the server's certificate is not valid yet".to_owned(),
            CLOCK,
        ),
        CertificateError::NotValidYetContext { not_before, .. } => {
            let day = day(not_before.as_secs());
            let why = format!("the server's certificate is valid only from {day} on");
            (why, CLOCK)
        }
        CertificateError::NotValidForName => (
            "the server's certificate is for another name".to_owned(),
            NAME,
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let others: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let others = match others.is_empty() {
                true => "no name at all".to_owned(),
                false => others.join(", "),
            };
            let asked = expected.to_str();
            let why = format!("the server's certificate is for {others}, not for {asked}");
            (why, NAME)
        }
        CertificateError::UnknownIssuer => (
            "the server's certificate is signed by nobody whom this device trusts".to_owned(),
            ISSUER,
        ),
        // An authority shows itself as a server: whoever signs his own certificate does. The library has no word for it.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "the server has signed its certificate itself".to_owned(),
            OWN,
        ),
        other => {
            let why = format!("the server's certificate is not to be trusted: {other}");
            (why, ISSUER)
        }
    }
}

/// `DnsName("nas.example.org")` as people write it.
fn bare(name: &str) -> String {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    let printable = |c: &char| !c.is_control();
    let inner = inner.unwrap_or(name).trim_matches('"');
    inner.chars().filter(printable).take(100).collect()
}

fn day(seconds: u64) -> String {
    let moment = moment_to_rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX));
    let day = moment.split('T').next();
    day.unwrap_or_default().to_owned()
}

/// The error of TLS in the causes of another. One of the operating system may carry it, in several layers, without naming
/// it as its source.
pub(super) fn find<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return Some(error);
    }
    let carried = cause
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    carried.and_then(|inner| find(inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;
    use std::io;
    use std::time::Duration;

    fn said(fault: CertificateError) -> String {
        let error = Error::InvalidCertificate(fault);
        let (why, hint) = explain(&error).unwrap();
        assert!(!hint.is_empty());
        why
    }

    #[test]
    fn each_fault_is_told_from_the_others() {
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expired = CertificateError::ExpiredContext {
            time: time(1_795_375_593),
            not_after: time(1_580_515_200),
        };
        assert!(said(expired).ends_with("expired on 2020-02-01"));
        let early = CertificateError::NotValidYetContext {
            time: time(0),
            not_before: time(1_580_515_200),
        };
        assert!(said(early).ends_with("valid only from 2020-02-01 on"));
        let other = CertificateError::NotValidForNameContext {
            expected: "nas.example.org".try_into().unwrap(),
            presented: vec!["DnsName(\"b.example.org\")".to_owned()],
        };
        assert!(said(other).ends_with("is for b.example.org, not for nas.example.org"));
        assert!(said(CertificateError::UnknownIssuer).contains("nobody whom this device trusts"));
        assert!(said(CertificateError::Revoked).contains("not to be trusted"));
    }

    #[test]
    fn it_is_found_below_layers_of_the_operating_system() {
        let error = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let layers = io::Error::other(io::Error::other(error.clone()));
        assert_eq!(find(&layers), Some(&error));
        assert_eq!(find(&io::Error::other("no")), None);
    }
}
