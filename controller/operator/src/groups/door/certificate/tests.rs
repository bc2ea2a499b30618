use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use pretty_assertions::assert_eq;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// What a Secret holds.
type Data<'a> = &'a [(&'a str, &'a str)];

/// A certificate of the year 2026 and its key, in PEM.
fn issued(names: &[&str], key: &KeyPair) -> String {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.self_signed(key).unwrap().pem()
}

fn secret(r#type: &str, data: Data<'_>) -> Secret {
    let data: BTreeMap<_, _> =
        data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect();
    Secret { type_: Some(r#type.to_owned()), data: Some(data), ..Secret::default() }
}

fn checked(secret: &Secret, hosts: &[&str], at: &str) -> Result<Vec<String>, String> {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    check(secret, &hosts, at.parse().unwrap())
}

const SUMMER: &str = "2026-07-01T00:00:00Z";

#[test]
fn a_certificate_and_its_key_are_fine() {
    let key = KeyPair::generate().unwrap();
    let certificate = issued(&["shop.com", "*.shop.com"], &key);
    let secret = secret(TYPE, &[(CERTIFICATE, &certificate), (KEY, &key.serialize_pem())]);
    assert_eq!(checked(&secret, &["shop.com", "www.shop.com", "*.shop.com"], SUMMER), Ok(vec![]));
}

#[test]
fn what_makes_a_secret_useless_is_named() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = issued(&["shop.com"], &key);
    let (key, other) = (key.serialize_pem(), other.serialize_pem());
    let broken = certificate.replacen("MII", "M-I", 1);
    let nothing = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let useless: [(&str, Data<'_>, &str); 8] = [
        ("Opaque", &[(CERTIFICATE, &certificate), (KEY, &key)], "its type is Opaque"),
        (TYPE, &[(KEY, &key)], "it has no key tls.crt"),
        (TYPE, &[(CERTIFICATE, &certificate), (KEY, "")], "it has no key tls.key"),
        (TYPE, &[(CERTIFICATE, "hello"), (KEY, &key)], "tls.crt holds no certificate"),
        (TYPE, &[(CERTIFICATE, &broken), (KEY, &key)], "tls.crt is not in PEM"),
        (TYPE, &[(CERTIFICATE, nothing), (KEY, &key)], "tls.crt is no certificate"),
        (TYPE, &[(CERTIFICATE, &certificate), (KEY, &certificate)], "tls.key is no private key"),
        (TYPE, &[(CERTIFICATE, &certificate), (KEY, &other)], "tls.key is not the key"),
    ];
    for (r#type, data, why) in useless {
        let said = checked(&secret(r#type, data), &["shop.com"], SUMMER).unwrap_err();
        assert!(said.contains(why), "{said:?} instead of {why:?}");
    }
}

#[test]
fn times_and_hosts_are_warnings() {
    let key = KeyPair::generate().unwrap();
    let certificate = issued(&["shop.com"], &key);
    let secret = secret(TYPE, &[(CERTIFICATE, &certificate), (KEY, &key.serialize_pem())]);
    let warned = [
        ("2027-02-01T00:00:00Z", "shop.com", "its certificate expired at 2027-01-01T00:00:00Z"),
        ("2025-02-01T00:00:00Z", "shop.com", "its certificate is not valid before 2026-01-01T00:00:00Z"),
        (SUMMER, "www.shop.com", "its certificate is not for www.shop.com"),
        (SUMMER, "*.shop.com", "its certificate is not for *.shop.com"),
    ];
    for (at, host, warning) in warned {
        assert_eq!(checked(&secret, &[host], at), Ok(vec![warning.to_owned()]));
    }
}

#[test]
fn a_key_that_is_not_known_here_is_left_to_the_controller() {
    let key = KeyPair::generate().unwrap();
    let certificate = issued(&["shop.com"], &key);
    let strange = "-----BEGIN PRIVATE KEY-----\nMAkCAQAwBAYAAAQA\n-----END PRIVATE KEY-----\n";
    let secret = secret(TYPE, &[(CERTIFICATE, &certificate), (KEY, strange)]);
    let expected = "the key in tls.key is of a kind that cannot be checked here";
    assert_eq!(checked(&secret, &["shop.com"], SUMMER), Ok(vec![expected.to_owned()]));
}
