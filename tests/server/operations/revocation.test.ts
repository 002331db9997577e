import t from 'tap'
import type { KeyLife } from '../../../server/keys/life.ts'
import type { Key } from '../../../server/schemas/key.ts'
import type { SignAnswer } from '../../../server/schemas/sign.ts'
import type { Signature } from '../../../server/schemas/signature.ts'
import type { SignatureList } from '../../../server/schemas/signatures.ts'
import { clientNamed, makeApp } from '../../helpers/app.ts'
import { putPackage } from '../../helpers/packages.ts'

void t.test('after a key is revoked the catalogue says so, its signatures are handed out no more, and their proofs are', async (t) => {
  const { app, root, deps } = await makeApp(t, () => ({ policy: [clientNamed('bot', { keys: ['1001', '1002'] })] }))
  const read = async (url: string, accept = 'application/json') => await app.inject({ url, headers: { accept } })
  const json = async <T>(url: string) => JSON.parse((await read(url)).body) as T
  const post = async (url: string, body: object) => JSON.parse((await app.inject({ method: 'POST', url, payload: body })).body) as Record<string, unknown>
  const path = putPackage(root)
  const { id } = Object.values(((await post('/sign', { path, keyid: '1001' })) as SignAnswer).signatures)[0] as Signature
  t.match(await json(`/signatures/${id}`), { id, keyRevoked: undefined })
  t.equal((await read(`/signatures/${id}/record`)).statusCode, 200)

  const life: KeyLife = { state: 'revoked', revokedAt: new Date('2026-11-24T09:00:00Z'), revocationReason: 'key compromise' }
  Object.assign(deps.keyring.get('1001') as object, { life })
  const keyRevoked = { at: '2026-11-24T09:00:00.000Z', reason: 'key compromise' }
  t.strictSame((await json<Signature>(`/signatures/${id}`)).keyRevoked, keyRevoked)
  t.strictSame((await json<SignatureList>('/signatures')).signatures.map(({ signature }) => signature.keyRevoked), [keyRevoked])
  t.match(JSON.parse((await read('/signatures', 'application/x-ndjson')).body), { signature: { keyRevoked } })
  t.match(await json<Key>('/keys/1001'), { state: 'revoked', revokedAt: '2026-11-24T09:00:00.000Z', revocationReason: 'key compromise' })
  t.match(await post('/verify', { path }), { valid: false, reason: 'KEY_REVOKED', keyid: '1001' })
  t.match(await post('/sign', { path, keyid: '1001' }), { code: 'KEY_REVOKED' })
  for (const form of ['record', 'sig', 'dsb', 'dsc']) t.match(await json(`/signatures/${id}/${form}`), { code: 'KEY_REVOKED', status: 422 }, form)
  t.equal((await read(`/signatures/${id}/proof`)).statusCode, 200)

  Object.assign(deps.keyring.get('1001') as object, { life: { state: 'revoked' } })
  t.strictSame((await json<Signature>(`/signatures/${id}`)).keyRevoked, {})
  Object.assign(deps.keyring.get('1001') as object, { keyid: '1003', life: { state: 'active' } })
  ;(deps.keyring as Map<string, unknown>).delete('1001')
  t.match(await json(`/signatures/${id}`), { keyRevoked: undefined }, 'of a key that the configuration has no more nothing is known')
  t.match(await read(`/signatures/${id}/sig`), { statusCode: 200 })
})
