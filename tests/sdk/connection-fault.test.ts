import t from 'tap'
import { connectionFault, formatAddress, type FaultFacts } from '../../sdk/connection-fault.ts'

const facts: FaultFacts = { address: { host: 'signer.example', port: 6000 }, answered: false, fresh: true, certificateFault: undefined }

function fault(code: string, members: object = {}): Error {
  return Object.assign(new Error('from below'), { code, ...members })
}

void t.test('formatAddress puts an IPv6 address into brackets', async (t) => {
  t.equal(formatAddress({ host: '::1', port: 6000 }), '[::1]:6000')
  t.equal(formatAddress({ host: '127.0.0.1', port: 6000 }), '127.0.0.1:6000')
})

void t.test('each fault of the layers below has its code and names the place', async (t) => {
  const place = 'signer.example:6000'
  const refusedCertificate = `${place} closed the connection without an answer: the server refused the client certificate, or it is not a TLS 1.3 server`
  const otherCa = 'the certificate of the server does not come from the CA that this client trusts (`ca`)'
  const table = [
    ['ECONNREFUSED', { code: 'CONNECTION_REFUSED', detail: `${place} refused the connection: no server listens there` }],
    ['ENOTFOUND', { code: 'HOST_NOT_FOUND', detail: 'the host name signer.example has no address' }],
    ['EAI_AGAIN', { code: 'HOST_NOT_FOUND' }],
    ['EHOSTUNREACH', { code: 'HOST_UNREACHABLE', detail: `there is no way to ${place}` }],
    ['UND_ERR_CONNECT_TIMEOUT', { code: 'TIMEOUT', detail: `no connection to ${place} in time` }],
    ['ETIMEDOUT', { code: 'TIMEOUT', detail: `no connection to ${place} in time` }],
    ['UND_ERR_HEADERS_TIMEOUT', { code: 'TIMEOUT', detail: `${place} took the request and did not answer in time` }],
    ['UND_ERR_BODY_TIMEOUT', { code: 'TIMEOUT', detail: `${place} stopped sending in the middle of the answer` }],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', { code: 'CERTIFICATE_REFUSED', detail: refusedCertificate }],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', { code: 'CERTIFICATE_REFUSED' }],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', { code: 'CERTIFICATE_REFUSED' }],
    ['UND_ERR_SOCKET', { code: 'CERTIFICATE_REFUSED', detail: refusedCertificate }],
    ['ECONNRESET', { code: 'CERTIFICATE_REFUSED' }],
    ['EPIPE', { code: 'CERTIFICATE_REFUSED' }],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', { code: 'TLS_FAILED', detail: `${place} does not speak TLS 1.3` }],
    ['ERR_SSL_WRONG_VERSION_NUMBER', { code: 'TLS_FAILED' }],
    ['EPROTO', { code: 'TLS_FAILED' }],
    ['CERT_HAS_EXPIRED', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: 'the certificate of the server has expired' }],
    ['CERT_NOT_YET_VALID', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: 'the certificate of the server is not valid yet' }],
    ['INVALID_PURPOSE', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: 'the certificate of the server is not for servers' }],
    ['SELF_SIGNED_CERT_IN_CHAIN', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: otherCa }],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: otherCa }],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: otherCa }],
    ['CERT_SIGNATURE_FAILURE', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: otherCa }],
    ['ERR_TLS_CERT_ALTNAME_INVALID', { code: 'SERVER_CERTIFICATE_UNTRUSTED', detail: 'the certificate of the server is not for signer.example, but for no name at all' }],
    ['UND_ERR_HEADERS_OVERFLOW', { code: 'ANSWER_NOT_UNDERSTOOD', detail: `the answer of ${place} is not HTTP` }],
  ] as const
  for (const [code, want] of table) {
    const cause = fault(code)
    t.match(connectionFault(cause, facts), { name: 'ConnectionError', cause, ...want }, code)
  }
})

void t.test('a certificate for other names is quoted with its names', async (t) => {
  const cause = fault('ERR_TLS_CERT_ALTNAME_INVALID', { cert: { subjectaltname: 'DNS:localhost' } })
  t.equal(connectionFault(cause, facts).detail, 'the certificate of the server is not for signer.example, but for DNS:localhost')
})

void t.test('the end of a connection that carried an answer before is no refusal of the certificate', async (t) => {
  const lost = connectionFault(fault('UND_ERR_SOCKET'), { ...facts, fresh: false })
  t.match(lost, { code: 'CONNECTION_LOST', detail: 'the connection to signer.example:6000 ended before the answer' })
})

void t.test('once the answer has begun, every fault but a time-out or bad HTTP cuts it off', async (t) => {
  const answered = { ...facts, answered: true, fresh: false }
  for (const code of ['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']) t.equal(connectionFault(fault(code), answered).code, 'ANSWER_CUT_OFF', code)
  t.equal(connectionFault(fault('UND_ERR_BODY_TIMEOUT'), answered).code, 'TIMEOUT')
  t.equal(connectionFault(Object.assign(new Error('no code'), { name: 'HTTPParserError' }), answered).code, 'ANSWER_NOT_UNDERSTOOD')
})

void t.test('a refused certificate that shows its fault here is explained with it', async (t) => {
  const error = connectionFault(fault('UND_ERR_SOCKET'), { ...facts, certificateFault: 'it expired at 2026-11-24T09:00:00.000Z' })
  t.equal(error.hint, 'Look at the client certificate: by the clock of this machine it expired at 2026-11-24T09:00:00.000Z.')
})

void t.test('what has no code is a refusal on a fresh connection and a loss on another', async (t) => {
  t.equal(connectionFault('text', facts).code, 'CERTIFICATE_REFUSED')
  t.equal(connectionFault(new Error('no code'), { ...facts, fresh: false }).code, 'CONNECTION_LOST')
})
