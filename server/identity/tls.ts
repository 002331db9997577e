import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

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
 * Checks that the key is the one of the server's certificate, the first of its chain. OpenSSL itself notices only a key of the same
 * kind that does not fit; with another kind it would start and refuse every handshake.
 * @throws Error with a sentence for the operator
 */
export function checkTls({ cert, key }: TlsMaterial): void {
  if (!fits(cert, key)) throw new Error('tls.key is not the key of the first certificate in tls.cert')
}

function fits(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch (cause) {
    throw new Error(`the server cannot use tls.cert with tls.key: ${(cause as NodeJS.ErrnoException).code}`, { cause })
  }
}
