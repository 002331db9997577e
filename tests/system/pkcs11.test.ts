import { createPublicKey } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Key } from '../../server/schemas/key.ts'
import type { Signature } from '../../server/schemas/signature.ts'
import { askAt, clientOf, problemIn } from '../helpers/client.ts'
import { count } from '../helpers/full-size.ts'
import { isSignatureOf, putPackages } from '../helpers/packages.ts'
import { eventually, isRunning } from '../helpers/processes.ts'
import { startServer } from '../helpers/server.ts'
import type { TestServer } from '../helpers/server.ts'
import { TEST_PIN, makeFaulty, makeToken, withoutSoftHsm } from '../helpers/softhsm.ts'
import type { TestToken } from '../helpers/softhsm.ts'

const OPERATIONS = ['sign', 'listKeys', 'getKey', 'exportKey']

/** A server with two keys, both in one token. */
async function startWith(t: Test, hsm: TestToken): Promise<TestServer> {
  const client = (name: string) => ({ name, match: { san: `URI:urn:example:${name}` }, allow: OPERATIONS, keys: ['1001', '1002'], roots: ['nim'] })
  const keys = [hsm.config(), hsm.config({ keyid: '1002', key: { id: '02' } })]
  return await startServer(t, { config: { keys, clients: [client('release-bot')] } })
}

const pidsOf = (server: TestServer): readonly number[] => server.logs().flatMap(({ msg, pid }) => (msg === 'pkcs11 process started' ? [pid as number] : []))
const ready = async (server: TestServer) => JSON.parse((await askAt(`${server.adminUrl}/health/ready`)).text) as { status: string; checks: Record<string, string> }

void t.test('a server whose keys are in a token', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t, [{}, { label: 'next', id: '02' }]))
  const server = await startWith(t, hsm)
  const client = await clientOf(t, server.url)
  const total = count(20, 400)
  const names = putPackages(server.root, total)
  const { keys } = JSON.parse((await client.ask('/keys')).text) as { keys: readonly Key[] }
  const publicKey = (keyid: string) => createPublicKey(keys.find((key) => key.keyid === keyid)?.publicKeyPem as string)

  await t.test('signs packages with each of them, and shows that it is ready by signing', async (t) => {
    t.match(keys, [{ keyid: '1001', kind: 'pkcs11', algorithm: 'rsa-2048-sha256', covers: 'file' }, { keyid: '1002', kind: 'pkcs11' }])
    for (const keyid of ['1001', '1002']) {
      const answer = await client.sign({ path: server.root, keyid })
      t.strictSame([answer.failures, answer.warnings], [{}, []])
      t.ok(names.every((name) => isSignatureOf(answer.signatures[name] as Signature, join(server.root, name), publicKey(keyid))), keyid)
    }
    t.match(await ready(server), { status: 'ready', checks: { 'key 1001': 'ok', 'key 1002': 'ok' } })
    hsm.setFault('signFails')
    t.match(await ready(server), { status: 'not ready', checks: { 'key 1001': 'SIGNER_FAILED', 'key 1002': 'SIGNER_FAILED' } })
    hsm.setFault()
  })

  await t.test('holds neither the key, nor the PIN, nor the library: they are in another process', (t) => {
    t.strictSame(pidsOf(server).length, 1)
    const maps = (pid: number) => readFileSync(`/proc/${pid}/maps`, 'latin1')
    t.match(maps(pidsOf(server)[0] as number), /libsofthsm2\.so/)
    t.notMatch(maps(server.process.pid as number), /libsofthsm2\.so|pkcs11\.node/)
    t.notMatch(JSON.stringify(server.logs()) + server.complaints(), TEST_PIN)
    t.end()
  })

  await t.test('answers every request while the process is killed or crashes again and again', async (t) => {
    const kills = count(2, 10)
    const before = pidsOf(server).length
    let over = false
    const answers: string[] = []
    const load = (async () => {
      while (!over) {
        const { failures } = await client.sign({ path: server.root, keyid: '1001', force: true })
        answers.push(...Object.values(failures).map(({ code }) => code))
      }
    })()
    for (let kill = 0; kill < kills; kill += 1) {
      await eventually(() => pidsOf(server).length === before + kill, 20_000)
      await askAt(`${server.adminUrl}/health/ready`)
      const pid = pidsOf(server).at(-1) as number
      if (kill % 2 === 0) process.kill(pid, 'SIGKILL')
      else hsm.setFault('signCrashes')
      await eventually(() => !isRunning(pid), 20_000)
      hsm.setFault()
    }
    over = true
    await load
    t.strictSame(answers, [])
    t.equal((await askAt(`${server.adminUrl}/health/live`)).status, 200)
    t.equal((await ready(server)).status, 'ready')
    t.ok(hsm.logins() <= kills + 1)
  })

  await t.test('stops in good order, and leaves no process behind', async (t) => {
    const pid = pidsOf(server).at(-1) as number
    t.strictSame(await server.stop(), { code: 0, signal: null })
    t.notOk(isRunning(pid))
  })
})

void t.test('when the server is killed, the process of the token ends, even inside its library', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t, [{}, { label: 'next', id: '02' }]))
  const server = await startWith(t, hsm)
  const [first] = pidsOf(server) as [number]
  hsm.setFault('loginHangs')
  process.kill(first, 'SIGKILL')
  await eventually(() => pidsOf(server).length === 2 && hsm.logins() === 2, 20_000)
  const pid = pidsOf(server)[1] as number
  t.ok(isRunning(pid), 'it hangs in C_Login')
  server.process.kill('SIGKILL')
  await server.exited
  await eventually(() => !isRunning(pid), 20_000)
})

void t.test('with a wrong PIN the server runs, is not ready, tries one login, and goes on when the PIN file is mended', { skip: withoutSoftHsm }, async (t) => {
  const hsm = makeFaulty(makeToken(t, [{}, { label: 'next', id: '02' }]))
  writeFileSync(hsm.pinFile, '000000\n')
  const server = await startWith(t, hsm)
  const client = await clientOf(t, server.url)
  const [name] = putPackages(server.root, 1) as [string]
  const path = join(server.root, name)
  for (let round = 0; round < 5; round += 1) {
    t.match(problemIn(await client.trySign({ path, keyid: '1001' })), { code: 'SIGNER_NOT_AVAILABLE', status: 503, retryable: true })
    t.match(await ready(server), { status: 'not ready', checks: { 'key 1001': 'SIGNER_NOT_AVAILABLE', 'key 1002': 'SIGNER_NOT_AVAILABLE' } })
  }
  t.equal(hsm.logins(), 1)
  t.match(server.logs().find(({ msg }) => msg === 'token refused the PIN'), { level: 'error', fault: /CKR_PIN_INCORRECT/ })
  t.notMatch(JSON.stringify(server.logs()), '000000')
  writeFileSync(`${hsm.pinFile}.new`, `${TEST_PIN}\n`, { mode: 0o600 })
  renameSync(`${hsm.pinFile}.new`, hsm.pinFile)
  t.ok((await client.sign({ path, keyid: '1001' })).signatures[name])
  t.match(await ready(server), { status: 'ready' })
  t.equal(hsm.logins(), 2)
})
