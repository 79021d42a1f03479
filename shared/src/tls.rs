//! The one TLS client configuration: rustls with ring, and always full verification.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// A client configuration that trusts the certificates in `ca_file` (PEM), or the system's.
///
/// # Errors
/// The file cannot be read, or there is no certificate to trust.
pub fn client_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in CertificateDer::pem_file_iter(path)
            .with_context(|| format!("reading the CA file {}", path.display()))?
        {
            roots
                .add(certificate.with_context(|| format!("in the CA file {}", path.display()))?)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    anyhow::ensure!(!roots.is_empty(), "no certificate authority to trust was found");
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
