/**
 * Why a TLS client was turned away, as far as it is told apart: the certificate (Node's names of OpenSSL's X509_V_ERR_*), the handshake,
 * the connection. Closed, because a client chooses which error it causes and every label is a time series.
 * @see https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
export const TLS_ERROR_LABELS = [
  // the certificate
  'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_REJECTED',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'CLIENT_CERT_IS_CA',
  'INVALID_PURPOSE',
  'INVALID_CA',
  'PATH_LENGTH_EXCEEDED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  // the revocation list
  'UNABLE_TO_GET_CRL',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
  // the handshake
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_TLS_HANDSHAKE_TIMEOUT',
  // the connection
  'ECONNRESET',
  'EPIPE',
] as const

/** One of {@link TLS_ERROR_LABELS}, or `OTHER`. */
export type TlsErrorLabel = (typeof TLS_ERROR_LABELS)[number] | 'OTHER'

/** Returns the label for the code of a TLS error. */
export function tlsErrorLabel(code: string | undefined): TlsErrorLabel {
  return TLS_ERROR_LABELS.find((label) => label === code) ?? 'OTHER'
}
