import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { issueClient, issueCrl, issueServer, type Issued } from '../../certs/pki.ts'
import { askAt, clientOf, type Client } from '../helpers/client.ts'
import { count, needsFull } from '../helpers/full-size.ts'
import { TRUSTED_BOT, type ConfigMembers, type Place } from '../helpers/place.ts'
import { testPki } from '../helpers/pki.ts'
import { startServer, type TestServer } from '../helpers/server.ts'

const pki = await testPki()
const QUIET: ConfigMembers = { reload: { pollMs: 0 } }
const DAY_MS = 86_400_000

const listOf = async (revoked: readonly string[], days = 30): Promise<string> => await issueCrl(pki.authority, { revoked, thisUpdate: new Date(Date.now() - DAY_MS), nextUpdate: new Date(Date.now() + days * DAY_MS) })

/** Puts a file into its place as an administrator does who wants nobody to see half of it. */
function put({ folder }: Place, name: string, content: string): void {
  writeFileSync(join(folder, `${name}.new`), content, { mode: 0o600 })
  renameSync(join(folder, `${name}.new`), join(folder, name))
}

/** Sends SIGHUP and resolves with what the log says of it; the log of a server under load is too long to be searched each time. */
function reloader(server: TestServer): () => Promise<Readonly<Record<string, unknown>>> {
  let [rest, told]: [string, (line: Readonly<Record<string, unknown>>) => void] = ['', () => undefined]
  server.process.stderr?.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() as string
    for (const line of lines) if (line.includes('"msg":"reload')) told(JSON.parse(line) as Readonly<Record<string, unknown>>)
  })
  return async () => await new Promise((resolve) => {
    told = resolve
    server.process.kill('SIGHUP')
  })
}

type Load = Readonly<{ finish(): Promise<Readonly<{ answers: number; faults: readonly string[] }>> }>

/** Between two requests of a client: what is measured is whether any is lost, not how many there can be. */
const PAUSE_MS = 20

/** Clients that keep their connections and sign digests and ask, and one that connects anew each time; none of them tries anything again. */
function startLoad(keeping: readonly Client[], fresh: () => Promise<string>): Load {
  const faults: string[] = []
  let [going, answers] = [true, 0]
  const run = async (once: () => Promise<string>): Promise<void> => {
    while (going) {
      const outcome = await once().catch((error: NodeJS.ErrnoException) => error.code ?? error.message)
      answers += 1
      if (outcome !== '200') faults.push(outcome)
      await delay(PAUSE_MS)
    }
  }
  const sign = (client: Client) => async (): Promise<string> => {
    const content = randomBytes(16)
    const { status } = await client.trySign({ digest: { sha256: createHash('sha256').update(content).digest('hex') }, sizeBytes: 16, filename: `${content.toString('hex')}.bin` })
    return String(status)
  }
  const look = (client: Client) => async (): Promise<string> => String((await client.ask('/files')).status)
  const runs = [...keeping.flatMap((client) => [run(sign(client)), run(look(client))]), run(fresh)]
  return {
    finish: async () => {
      going = false
      await Promise.all(runs)
      return { answers, faults }
    },
  }
}

async function freshly({ url }: TestServer): Promise<string> {
  const { ca, cert, key } = pki.clients['release-bot']
  const dispatcher = new Agent({ connect: { ca, cert, key } })
  try {
    return String((await askAt(`${url}/whoami`, { dispatcher })).status)
  } finally {
    await dispatcher.destroy()
  }
}

/** The serial number of the certificate that the server shows. */
async function shown({ port }: TestServer): Promise<string | undefined> {
  const { ca, cert, key } = pki.clients['release-bot']
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, cert, key }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber)
      socket.destroy()
    }).on('error', () => resolve(undefined))
  })
}

const serialOf = ({ certificatePem }: Issued): string => new X509Certificate(certificatePem).serialNumber

void t.test('no request is lost while configuration, certificate and revocation list are reloaded again and again', async (t: Test) => {
  const server = await startServer(t, { config: { ...QUIET, clients: [TRUSTED_BOT] } })
  const certificates = await Promise.all([1, 2, 3].map(async () => await issueServer(pki.authority, { sans: [{ type: 'dns', value: 'localhost' }] })))
  const lists = await Promise.all([listOf(['0a']), listOf(['0b'])])
  const leaving = await issueClient(pki.authority, { name: 'leaving', sans: [{ type: 'uri', value: 'urn:example:release-bot' }] })
  const reload = reloader(server)
  const keeping = await Promise.all([server.url, server.browserUrl].map(async (url) => await clientOf(t, url, 'release-bot', { connections: 2 })))
  const load = startLoad(keeping, async () => await freshly(server))
  const total = count(20, 1000)
  const outcomes: string[] = []
  const milliseconds: number[] = []
  for (let round = 0; round < total; round += 1) {
    const certificate = certificates[round % certificates.length] as Issued
    const isBad = round % 5 === 4
    put(server, 'server.pem', certificate.certificatePem)
    put(server, 'server.key', isBad ? (certificates[(round + 1) % certificates.length] as Issued).privateKeyPem : certificate.privateKeyPem)
    put(server, 'ca.crl', lists[round % 2] as string)
    server.configure({ ...QUIET, clients: [TRUSTED_BOT, ...(round % 2 === 0 ? [{ ...TRUSTED_BOT, name: `guest-${round}`, match: { san: 'URI:urn:example:guest' } }] : [])] })
    const started = performance.now()
    const { msg } = await reload()
    milliseconds.push(performance.now() - started)
    outcomes.push(msg as string)
    if (round % 10 === 3) t.equal(await shown(server), serialOf(certificate), 'new connections get the new certificate')
    if (isBad && round % 10 === 4) t.equal(await shown(server), serialOf(certificates[(round - 1) % certificates.length] as Issued), 'and none that does not fit')
  }
  const { answers, faults } = await load.finish()
  t.strictSame(faults, [])
  t.ok(answers > total, `${answers} answers`)
  t.strictSame(outcomes, Array.from({ length: total }, (_, round) => (round % 5 === 4 ? 'reload refused' : 'reloaded')))
  const [median, longest] = [milliseconds.toSorted((one, two) => one - two)[Math.floor(total / 2)] as number, Math.max(...milliseconds)]
  t.comment(`${total} reloads under load, ${answers} answers; a reload takes ${median.toFixed(1)} ms, at most ${longest.toFixed(1)}`)
  const dispatcher = new Agent({ connect: { ca: pki.server.ca, cert: leaving.certificatePem, key: leaving.privateKeyPem } })
  t.teardown(async () => await dispatcher.destroy())
  put(server, 'server.key', (certificates[(total - 1) % certificates.length] as Issued).privateKeyPem)
  t.match(await reload(), { msg: 'reloaded' })
  t.equal((await askAt(`${server.url}/whoami`, { dispatcher })).status, 200)
  put(server, 'ca.crl', await listOf([leaving.serialHex]))
  t.match(await reload(), { msg: 'reloaded', tls: ['crl'], connectionsEnded: 1, crlEndsAt: String })
  await t.rejects(askAt(`${server.url}/whoami`, { dispatcher }), { code: 'UND_ERR_SOCKET' }, 'who is revoked is out')
  t.equal((await (keeping[0] as Client).ask('/whoami')).status, 200)
  t.match((await askAt(`${server.adminUrl}/metrics`)).text, new RegExp(`^signing_reloads_total\\{result="refused"\\} ${total / 5}$`, 'm'))
  t.strictSame(await server.stop(), { code: 0, signal: null })
})

void t.test('an edited configuration is taken up without a signal', { skip: needsFull }, async (t) => {
  const server = await startServer(t, { config: { reload: { pollMs: 100 } } })
  const client = await clientOf(t, server.url)
  t.equal((await client.ask('/whoami')).status, 200)
  server.configure({ reload: { pollMs: 100 }, clients: [] })
  await server.logged(({ msg, cause }) => msg === 'reloaded' && cause === 'file change')
  t.equal((await client.ask('/whoami')).status, 403)
})
