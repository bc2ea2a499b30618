//! A cloud at an address.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use plimsoll_providers::protocol::externalgrpc::cloud_provider_server::CloudProviderServer;
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::Cloud;

/// What a server shows and asks for, as PEM.
#[derive(Clone)]
pub struct Certificates {
    /// Its own certificate.
    pub cert: String,
    /// The key of it.
    pub key: String,
    /// Who must have signed the certificates of clients; nobody is asked for one unless said.
    pub clients: Option<String>,
}

/// A cloud that listens. It ends when this value is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    task: AbortHandle,
}

impl Serving {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cloud {
    /// Listens on a free port of the loopback interface, in plain text.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn serve(&self) -> Result<Serving> {
        self.serve_at((Ipv4Addr::LOCALHOST, 0).into(), None).await
    }

    /// Listens at an address, with TLS if there are certificates.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn serve_at(&self, address: SocketAddr, certificates: Option<Certificates>) -> Result<Serving> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut server = Server::builder();
        if let Some(Certificates { cert, key, clients }) = certificates {
            let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
            if let Some(clients) = clients {
                tls = tls.client_ca_root(Certificate::from_pem(clients));
            }
            server = server.tls_config(tls)?;
        }
        let router = server.add_service(CloudProviderServer::new(self.clone()));
        let task = tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(Serving { address, task: task.abort_handle() })
    }
}
