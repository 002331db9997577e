import { closeSync } from 'node:fs'
import { hash, verify } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { formatSignatureFile, parseSignatureFile } from '../../../formats/index.ts'
import { createEmbeddedSigner } from '../../../server/signers/embedded.ts'
import type { EmbeddedSignerOptions } from '../../../server/signers/embedded.ts'
import { openedKey, openSignable, PACKAGE, rsaKeyPair } from '../../helpers/signables.ts'

const clock = () => new Date('2026-11-24T23:59:59.999Z')
const signerWith = (timestamp: EmbeddedSignerOptions['timestamp']) => createEmbeddedSigner({ timestamp, clock })
const pair = rsaKeyPair()

t.test('the embedded signer makes one record per fileset, in the order of lpp_name, whose signature openssl would accept', async (t) => {
  const path = join(t.testdir({}), 'PkgA.bff')
  for (const [bits, base64Chars] of [[2048, 344], [3072, 512], [4096, 684]] as const) {
    const key = bits === 2048 ? pair : rsaKeyPair(bits)
    const signable = await openSignable(path)
    const { signature, records } = await signerWith({ syntax: 'epoch', source: 'build' }).sign(signable, openedKey('file', key))
    closeSync(signable.file.fd)

    t.equal(signature.length, base64Chars)
    t.ok(verify('sha256', await readFile(path), key.publicKey, Buffer.from(signature, 'base64')), `RSA-${bits} over the whole file`)
    const common = { keyid: '1001', package: 'PkgA', timestamp: '1375425475', ftype: 'I', signature }
    t.strictSame(records, [{ ...common, fileset: 'PkgA.rte', vrmf: '1.0.0.0' }, { ...common, fileset: 'PkgA.adt', vrmf: '7.3.2.10' }])
    t.strictSame(parseSignatureFile(formatSignatureFile(records), { signatureBytes: bits / 8 }), records, 'a signature file holds them')
  }
})

t.test('the timestamp of a record has the configured syntax and source', async (t) => {
  const opened = await openSignable(join(t.testdir({}), 'PkgA.bff'), PACKAGE)
  t.teardown(() => closeSync(opened.file.fd))
  const signable = { ...opened, info: { ...opened.info, builtAt: 0, lppNameModifiedAt: 1_375_425_475 } }
  const rows = [
    ['epoch', 'build', '0'],
    ['epoch', 'lppName', '1375425475'],
    ['epoch', 'signing', '1795564799'],
    ['yyyymmddhhmmss', 'build', '19700101000000'],
    ['yyyymmddhhmmss', 'lppName', '20130802063755'],
    ['yyyymmddhhmmss', 'signing', '20261124235959'],
  ] as const
  for (const [syntax, source, want] of rows) {
    const { records } = await signerWith({ syntax, source }).sign(signable, openedKey('file', pair))
    t.strictSame(records.map((record) => record.timestamp), [want, want], `${syntax} of ${source}`)
  }
})

t.test('the embedded signer refuses a key it does not hold and an aborted request, and needs nothing to be ready', async (t) => {
  const signable = await openSignable(join(t.testdir({}), 'PkgA.bff'))
  t.teardown(() => closeSync(signable.file.fd))
  const signer = signerWith({ syntax: 'epoch', source: 'build' })
  await t.rejects(signer.sign(signable, openedKey('command', pair)), { name: 'SigningError', code: 'SIGNER_NOT_AVAILABLE' })
  const gone = new Error('the client went away')
  await t.rejects(signer.sign(signable, openedKey('file', pair), AbortSignal.abort(gone)), gone)
  await signer.probe()
  t.equal(signer.waiting(), 0)
  t.equal(signer.kind, 'embedded')
  await signer.close()
})

t.test('what is no package gets a detached signature: no record, over the digest alone', async (t) => {
  const sha256 = hash('sha256', 'an interim fix', 'buffer')
  const made = await signerWith({ syntax: 'epoch', source: 'build' }).sign({ filename: 'fix.epkg.Z', sizeBytes: 14, sha256 }, openedKey('file', pair))
  t.strictSame(made.records, [])
  t.ok(verify('sha256', Buffer.from('an interim fix'), pair.publicKey, Buffer.from(made.signature, 'base64')))
})
