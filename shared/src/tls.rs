//! The one TLS client configuration: rustls with ring, and always full verification.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use chrono::DateTime;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};

/// The files (PEM) that a server's URL names, by libpq's names for them.
#[derive(Debug, Default)]
pub struct Files {
    /// `sslrootcert`: the authorities to trust; not given: the system's.
    authorities: Option<PathBuf>,
    /// `sslcert`: the client's own certificate, for servers that ask for one.
    certificate: Option<PathBuf>,
    /// `sslkey`: its key.
    key: Option<PathBuf>,
}

impl Files {
    /// Takes over a parameter of the URL, if it is one of these: whether it is.
    pub fn take(&mut self, parameter: &str) -> bool {
        let Some((name, path)) = parameter.split_once('=') else {
            return false;
        };
        let file = match name {
            "sslrootcert" => &mut self.authorities,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            _ => return false,
        };
        *file = Some(path.into());
        true
    }

    /// Whether the URL names none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.authorities.is_none() && self.certificate.is_none() && self.key.is_none()
    }

    /// A client configuration of what they hold now.
    ///
    /// # Errors
    /// A file cannot be read, or there is no authority to trust.
    pub fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            rules: WebPkiServerVerifier::builder_with_provider(
                Arc::new(self.roots()?),
                Arc::clone(&provider),
            )
            .build()?,
            trusted: self.authorities.as_deref().map_or_else(
                || "the system's".to_owned(),
                |file| format!("those in {}", file.display()),
            ),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Arc::new(match (&self.certificate, &self.key) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), Some(key)) => config
                .with_client_auth_cert(
                    certificates(certificate)?,
                    PrivateKeyDer::from_pem_file(key)
                        .with_context(|| format!("reading the key {}", key.display()))?,
                )
                .with_context(|| {
                    format!("using {} and {}", certificate.display(), key.display())
                })?,
            _ => anyhow::bail!("`sslcert` and `sslkey` are given together"),
        }))
    }

    fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if let Some(file) = &self.authorities {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .with_context(|| format!("an authority in {}", file.display()))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        anyhow::ensure!(!roots.is_empty(), "no certificate authority to trust was found");
        Ok(roots)
    }
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading the certificates in {}", file.display()))
}

/// Verifies as rustls does, and says in an operator's words why a server is refused.
#[derive(Debug)]
struct Verifier {
    rules: Arc<WebPkiServerVerifier>,
    /// Which authorities.
    trusted: String,
}

impl Verifier {
    fn explain(&self, error: Error, server: &ServerName<'_>) -> Error {
        let server = server.to_str();
        let reason = match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
                "the certificate of `{server}` is of none of the authorities that are trusted, \
                 which are {}",
                self.trusted
            ),
            Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                let end = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
                let end =
                    DateTime::from_timestamp(end, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
                format!("the certificate of `{server}` has expired: it was valid until {end}")
            }
            Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            }) => format!(
                "the certificate is not for `{server}`, but for {}",
                if presented.is_empty() { "no host".to_owned() } else { presented.join(", ") }
            ),
            other => return other,
        };
        Error::Other(OtherError(Arc::from(Box::from(reason))))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.rules
            .verify_server_cert(certificate, intermediates, server, ocsp, now)
            .map_err(|error| self.explain(error, server))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rules.supported_verify_schemes()
    }
}
