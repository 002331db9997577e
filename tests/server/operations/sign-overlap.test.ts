import { generateKeyPairSync, hash, randomUUID, sign as signWithNode } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { writePackage } from '../../../formats/index.ts'
import { SigningError } from '../../../server/errors.ts'
import type { Keyring, OpenedKey } from '../../../server/keys/key.ts'
import type { KeyLife } from '../../../server/keys/life.ts'
import type { SignAnswer } from '../../../server/schemas/sign.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import { clientNamed, makeApp, NOW, type TestApp } from '../../helpers/app.ts'
import { packageSource, putPackage } from '../../helpers/packages.ts'
import { openedKey, rsaKeyPair } from '../../helpers/signables.ts'

const pairs = { '1001': rsaKeyPair(), '1002': rsaKeyPair(), '1003': rsaKeyPair() } as const
const ed25519 = generateKeyPairSync('ed25519')
const RETIRING: KeyLife = { state: 'retiring', successor: '1002', notAfter: new Date(NOW.getTime() + 1000) }

type Keys = Readonly<Record<string, OpenedKey>>

function rsa(keyid: keyof typeof pairs, life: KeyLife = { state: 'active' }): Keys {
  return { [keyid]: { ...openedKey('file', pairs[keyid]), keyid, life } }
}

/** An Ed25519 key, which signs whole files and no package. */
function message(keyid: string): Keys {
  const sign = async (): Promise<Buffer> => await Promise.reject(new TypeError('nothing here is for this key'))
  return { [keyid]: { keyid, kind: 'file', covers: 'file', algorithm: 'ed25519', publicKey: ed25519.publicKey, signatureBytes: 64, key: { kind: 'message', maxBytes: 10, sign } } }
}

async function scene(t: Test, keys: Keys, allowed: readonly string[] = Object.keys(keys)): Promise<TestApp & Readonly<{ ask: (json: object, key?: string) => Promise<string>; sign: (json: object) => Promise<SignAnswer> }>> {
  const keyring: Keyring = new Map(Object.entries(keys))
  const made = await makeApp(t, () => ({ keyring, policy: [clientNamed('bot', { keys: [...allowed], digestOnly: true, resign: true })] }))
  const ask = async (json: object, key?: string) => {
    const headers = { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) }
    return (await made.app.inject({ method: 'POST', url: '/sign', payload: JSON.stringify(json), headers })).body
  }
  return { ...made, ask, sign: async (json) => JSON.parse(await ask(json)) as SignAnswer }
}

const one = ({ signatures }: SignAnswer): Signature => Object.values(signatures)[0] as Signature
const keyids = (signature: Signature) => [signature.keyid, ...(signature.also ?? []).map(({ keyid }) => keyid)]

void t.test('in an overlap both keys sign, whichever is asked for, and each signature is one like any other', async (t) => {
  const { sign, app, root, lines } = await scene(t, { ...rsa('1001', RETIRING), ...rsa('1002'), ...rsa('1003') })
  const path = putPackage(root)
  const answer = await sign({ path, keyid: '1001' })
  const signature = one(answer)
  t.strictSame(keyids(signature), ['1001', '1002'])
  t.match(answer.warnings, [{ code: 'KEY_RETIRING' }, { code: 'KEY_EXPIRES_SOON' }])
  const [another] = signature.also as [Signature]
  t.not(another.id, signature.id)
  t.strictSame([another.filename, another.sha256, another.replayed], [signature.filename, signature.sha256, false])
  t.equal(another.receipt.index, signature.receipt.index + 1)
  t.equal(another.signature, signWithNode('sha256', readFileSync(path), pairs['1002'].privateKey).toString('base64'))
  t.equal(another.records[0]?.keyid, '1002')
  for (const { id } of [signature, another]) t.match(JSON.parse((await app.inject({ url: `/signatures/${id}` })).body), { id, also: undefined })
  t.match(lines.find(({ msg }) => msg === 'signed package'), { id: signature.id, keyid: '1001', also: [{ id: another.id, keyid: '1002' }] })

  const again = one(await sign({ path, keyid: '1002' }))
  t.strictSame([keyids(again), again.id, again.also?.[0]?.id, again.replayed, again.also?.[0]?.replayed], [['1002', '1001'], another.id, signature.id, true, true])
  t.strictSame(keyids(one(await sign({ path, keyid: '1003' }))), ['1003'])
})

void t.test('in every way to a signature: a directory, an upload, a digest, a batch', async (t) => {
  const { sign, ask, app, root } = await scene(t, { ...rsa('1001', RETIRING), ...rsa('1002') })
  for (const name of ['PkgA', 'PkgB']) putPackage(root, name)
  t.strictSame(Object.values((await sign({ path: root, keyid: '1002' })).signatures).map(keyids), [['1002', '1001'], ['1002', '1001']])
  const sent = await app.inject({ method: 'POST', url: '/sign', query: { filename: 'C.bff', keyid: '1001' }, payload: writePackage(packageSource('PkgC')), headers: { 'content-type': 'application/octet-stream' } })
  t.strictSame(keyids(one(JSON.parse(sent.body) as SignAnswer)), ['1001', '1002'])
  const item = { digest: { sha256: hash('sha256', 'x') }, sizeBytes: 1, filename: 'x' }
  t.strictSame(keyids(one(await sign({ ...item, keyid: '1001' }))), ['1001', '1002'])
  const batch = JSON.parse(await ask({ items: [item], keyid: '1002' })) as { items: { signature: Signature }[] }
  t.strictSame(batch.items.map(({ signature }) => keyids(signature)), [['1002', '1001']])
  t.match(one(await sign({ ...item, keyid: '1001', force: true })), { replayed: false, also: [{ replayed: false }] }, 'anew with both')
})

void t.test('who names no key gets the one that retires, which the targets know, until it ends', async (t) => {
  const { sign, ask, root } = await scene(t, { ...rsa('1001', RETIRING), ...rsa('1002') })
  t.strictSame(keyids(one(await sign({ path: putPackage(root) }))), ['1001', '1002'])
  const ended = await scene(t, { ...rsa('1001', { ...RETIRING, notAfter: NOW }), ...rsa('1002') })
  t.strictSame(keyids(one(await ended.sign({ path: putPackage(ended.root) }))), ['1002'])
  const several = await scene(t, { ...rsa('1001', RETIRING), ...rsa('1002'), ...rsa('1003') })
  t.match(JSON.parse(await several.ask({ path: putPackage(several.root) })), { code: 'KEYID_REQUIRED' })
  t.ok(ask)
})

void t.test('no key signs along that its client may not use, that does not sign now, or that cannot sign this', async (t) => {
  const alone: readonly (readonly [string, Keys, (readonly string[])?])[] = [
    ['not allowed', { ...rsa('1001', RETIRING), ...rsa('1002') }, ['1001']],
    ['not begun', { ...rsa('1001', RETIRING), ...rsa('1002', { state: 'active', notBefore: new Date(NOW.getTime() + 1) }) }],
    ['revoked', { ...rsa('1001', RETIRING), ...rsa('1002', { state: 'revoked' }) }],
    ['active, with a successor', { ...rsa('1001', { state: 'active', successor: '1002' }), ...rsa('1002') }],
    ['without a successor', { ...rsa('1001', { state: 'retiring' }), ...rsa('1002') }],
    ['of another kind', { ...rsa('1001', RETIRING), ...message('1002') }],
    ['of a command', { ...rsa('1001', RETIRING), '1002': { ...openedKey('command', pairs['1002']), keyid: '1002' } }],
  ]
  for (const [name, keys, allowed] of alone) {
    const { sign, root } = await scene(t, keys, allowed)
    t.strictSame(keyids(one(await sign({ path: putPackage(root), keyid: '1001' }))), ['1001'], name)
  }
  const command = await scene(t, { '1001': { ...openedKey('command', pairs['1001']), life: RETIRING }, ...rsa('1002') })
  t.notMatch(await command.ask({ path: putPackage(command.root), keyid: '1001' }), /1002/)
})

void t.test('a signature that cannot be made along fails the file, and nothing is lost', async (t) => {
  const down = { refused: true, foreign: false }
  const fail = (): Promise<Buffer> => {
    if (down.foreign) throw new TypeError('a fault of ours')
    if (down.refused) throw new SigningError('SIGNER_NOT_AVAILABLE', 'the token does not answer')
    return Promise.resolve(signWithNode('sha256', readFileSync(path), pairs['1002'].privateKey))
  }
  const second = { ...openedKey('file', pairs['1002']), keyid: '1002', key: { kind: 'digest' as const, sign: fail } } as OpenedKey
  const { sign, ask, root } = await scene(t, { ...rsa('1001', RETIRING), '1002': second })
  const path = putPackage(root)
  t.match(JSON.parse(await ask({ path, keyid: '1001' })), { code: 'SIGNER_NOT_AVAILABLE', detail: 'the token does not answer (with key 1002, which signs along in an overlap)' })
  down.foreign = true
  t.match(JSON.parse(await ask({ path, keyid: '1001' })), { status: 500 })
  Object.assign(down, { refused: false, foreign: false })
  t.match(one(await sign({ path, keyid: '1001' })), { replayed: true, also: [{ keyid: '1002', replayed: false }] })
})

void t.test('an answer that is given again under its Idempotency-Key has the same bytes, and none after a revocation', async (t) => {
  const keys = { ...rsa('1001', RETIRING), ...rsa('1002') }
  const { ask, root, deps } = await scene(t, keys)
  const file = putPackage(root)
  writeFileSync(join(root, 'note.txt'), 'no package')
  for (const [name, json] of [['a file', { path: file, keyid: '1001' }], ['a directory', { path: root, keyid: '1002' }], ['a batch', { items: [{ digest: { sha256: hash('sha256', 'y') }, sizeBytes: 1, filename: 'y' }], keyid: '1001' }]] as const) {
    const key = randomUUID()
    const first = await ask(json, key)
    t.match(first, /"also":\[/, name)
    t.equal(await ask(json, key), first, name)
  }
  const key = randomUUID()
  t.match(await ask({ path: file, keyid: '1001' }, key), /"also"/)
  Object.assign(deps.keyring.get('1002') as object, { life: { state: 'revoked' } })
  t.match(JSON.parse(await ask({ path: file, keyid: '1001' }, key)), { code: 'KEY_REVOKED', detail: /key 1002/ })
})
