import { createSecureContext, type TlsOptions } from 'node:tls'

/** The PEM texts that both service ports stand on. */
export type TlsMaterial = Readonly<{ cert: string; key: string; clientCa: string; crl?: string }>

/**
 * Returns Node's TLS options: TLS 1.3 alone, and nobody gets past the handshake without a certificate of the client CA that is
 * valid now and not revoked. With a revocation list an expired list lets nobody in.
 */
export function tlsOptions({ cert, key, clientCa, crl }: TlsMaterial, handshakeMs: number): TlsOptions {
  return {
    cert,
    key,
    ca: clientCa,
    ...(crl === undefined ? {} : { crl }),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    handshakeTimeout: handshakeMs,
    ALPNProtocols: ['http/1.1'],
  }
}

/**
 * Checks that OpenSSL takes the server's certificate with its key.
 * @throws Error with a sentence for the operator
 */
export function checkTls({ cert, key }: TlsMaterial): void {
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    throw new Error(`the server cannot use tls.cert with tls.key: ${(cause as NodeJS.ErrnoException).code}`, { cause })
  }
}
