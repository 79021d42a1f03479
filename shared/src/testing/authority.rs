//! A certificate authority of a test's own.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

use super::unique;

/// Issues certificates that only who is told trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
    late: bool,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        // By its name a client tells it from others.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, unique("authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::with_prefix("authority-").unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder, late: false }
    }

    /// One whose servers' certificates expired on 20 February 2020.
    #[must_use]
    pub fn late() -> Self {
        Self { late: true, ..Self::new() }
    }

    /// The file with its own certificate (PEM).
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files with a certificate of a client's, who is called `name`, and with its key.
    #[must_use]
    pub fn client(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params, self.folder.path());
        (self.folder.path().join("cert.pem"), self.folder.path().join("key.pem"))
    }

    /// Writes a server's `cert.pem` and `key.pem` for `host` into `folder`.
    pub(super) fn issue(&self, host: &str, folder: &Path) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        if self.late {
            params.not_after = date_time_ymd(2020, 2, 20);
        }
        self.sign(&params, folder);
    }

    fn sign(&self, params: &CertificateParams, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
