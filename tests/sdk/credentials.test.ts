import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { checkCredentials } from '../../sdk/credentials.ts'
import { testPki } from '../helpers/pki.ts'

const { clients } = await testPki()
const good = clients['release-bot']

void t.test('good credentials make a TLS context, as text and as bytes', async (t) => {
  t.ok(checkCredentials(good).secureContext)
  t.ok(checkCredentials({ ca: Buffer.from(good.ca), cert: Buffer.from(good.cert), key: Buffer.from(good.key) }).secureContext)
})

void t.test('credentials that cannot be used are refused before anything is sent, and say which of the three it is', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  const table = [
    ['a CA that is no PEM', { given: { ...good, ca: 'no PEM' }, want: 'the CA certificate (`ca`) cannot be read as PEM' }],
    ['a certificate that is no PEM', { given: { ...good, cert: '' }, want: 'the client certificate (`cert`) cannot be read as PEM' }],
    ['a key that is no PEM', { given: { ...good, key: good.cert }, want: 'the key (`key`) cannot be read as PEM' }],
    ['an encrypted key', { given: { ...good, key: encrypted }, want: 'the key (`key`) is encrypted' }],
    ['an encrypted key as bytes', { given: { ...good, key: Buffer.from(encrypted) }, want: 'the key (`key`) is encrypted' }],
    ['the key of another', { given: { ...good, key: clients.auditor.key }, want: 'the key (`key`) is not the key of the client certificate (`cert`)' }],
    ['a chain that is damaged behind the certificate', { given: { ...good, cert: `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` }, want: 'what `ca`, `cert` and `key` hold cannot be read as PEM' }],
  ] as const
  for (const [name, { given, want }] of table) t.throws(() => checkCredentials(given), { name: 'ConnectionError', code: 'CREDENTIALS_UNUSABLE', detail: want }, name)
})

void t.test('no error and no inspection shows a key', async (t) => {
  const secret = good.key.split('\n')[1] ?? t.bailout('the key has a second line')
  const half = good.key.replace('-----END', '-----END OF')
  try {
    checkCredentials({ ...good, key: half })
    t.fail('a damaged key was taken')
  } catch (error) {
    t.notMatch(inspect(error, { depth: 10, showHidden: true }), secret)
  }
  t.notMatch(inspect(checkCredentials(good), { depth: 10, showHidden: true }), secret)
})

void t.test('certificateFault says why a server must refuse a certificate, where the certificate itself shows it', async (t) => {
  const now = new Date()
  t.equal(checkCredentials(good).certificateFault(now), undefined)
  t.match(checkCredentials(clients.expired).certificateFault(now), /^it expired at 20\d\d-.*Z$/)
  t.match(checkCredentials(clients['not-yet-valid']).certificateFault(now), /^it is not valid before 20\d\d-.*Z$/)
  t.equal(checkCredentials(clients['wrong-usage']).certificateFault(now), 'it is not for client authentication')
})
