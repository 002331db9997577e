import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { ConnectionError } from './problem.ts'

/** PEM, as text or as the bytes of a file. */
export type Pem = string | Buffer

/** Who the client is (`cert`, which may have its chain after it, and its unencrypted `key`), and whom it trusts as the server's authority (`ca`). */
export type Credentials = Readonly<{ ca: Pem; cert: Pem; key: Pem }>

/** Credentials that were looked at once; the key is in the TLS context and nowhere else. */
export type CheckedCredentials = Readonly<{
  secureContext: SecureContext
  /** Returns why a server that demands a valid client certificate cannot accept this one, as far as the certificate itself tells. */
  certificateFault: (now: Date) => string | undefined
}>

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * Returns the TLS context of a client: these credentials, TLS 1.3 at least.
 * @throws ConnectionError `CREDENTIALS_UNUSABLE` when a text is not the PEM it should be, or key and certificate do not belong together
 */
export function checkCredentials({ ca, cert, key }: Credentials): CheckedCredentials {
  read('the CA certificate (`ca`)', () => new X509Certificate(ca))
  const certificate = read('the client certificate (`cert`)', () => new X509Certificate(cert))
  const privateKey = readKey(key)
  if (!certificate.checkPrivateKey(privateKey)) throw new ConnectionError('CREDENTIALS_UNUSABLE', 'the key (`key`) is not the key of the client certificate (`cert`)')
  const secureContext = read('what `ca`, `cert` and `key` hold', () => createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' }))
  return { secureContext, certificateFault: (now) => certificateFault(certificate, now) }
}

function readKey(key: Pem): KeyObject {
  if (key.includes('ENCRYPTED')) throw new ConnectionError('CREDENTIALS_UNUSABLE', 'the key (`key`) is encrypted', { hint: 'Decrypt it first, for instance with `openssl pkey`, and keep it readable by you alone.' })
  return read('the key (`key`)', () => createPrivateKey(key))
}

function read<T>(what: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new ConnectionError('CREDENTIALS_UNUSABLE', `${what} cannot be read as PEM`, { cause })
  }
}

function certificateFault({ validFromDate, validToDate, keyUsage }: X509Certificate, now: Date): string | undefined {
  if (now > validToDate) return `it expired at ${validToDate.toISOString()}`
  if (now < validFromDate) return `it is not valid before ${validFromDate.toISOString()}`
  // Node's `keyUsage` is the extended key usage; without the extension every usage is allowed.
  if ((keyUsage as readonly string[] | undefined)?.includes(CLIENT_AUTH) === false) return 'it is not for client authentication'
  return undefined
}
