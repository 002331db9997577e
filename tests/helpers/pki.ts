import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DEVELOPMENT_CLIENTS } from '../../certs/development.ts'
import type { ClientName } from '../../certs/development.ts'
import { generateDevelopmentPki } from '../../certs/generate.ts'
import type { Authority } from '../../certs/pki.ts'

/** A certificate with its key and the authority to trust, as paths (for command lines and configurations) and as PEM texts (for TLS options). */
export interface TestIdentity {
  readonly certPath: string
  readonly keyPath: string
  readonly caPath: string
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** A whole development PKI on disk; `clients.expired.folder` and its like can be copied to `~/.ssh/signing-server`. */
export interface TestPki {
  readonly directory: string
  readonly caPath: string
  readonly crlPath: string
  readonly crl: string
  /** For issuing further certificates or another CRL with `certs/pki.ts`. */
  readonly authority: Authority
  readonly server: TestIdentity
  readonly clients: Readonly<Record<ClientName, TestIdentity & { readonly folder: string }>>
}

let made: Promise<TestPki> | undefined

/** The PKI of this test process: made on the first call, the same afterwards, removed when the process ends. Not to be written to. */
export function testPki(): Promise<TestPki> {
  return made ??= makeTestPki()
}

async function makeTestPki(): Promise<TestPki> {
  // Not t.testdir(): the test file may use that one itself, which would empty it.
  const scratch = await mkdtemp(join(tmpdir(), 'signing-server-pki-'))
  t.teardown(() => rm(scratch, { recursive: true, force: true }))
  const { directory } = await generateDevelopmentPki(join(scratch, 'pki'))
  const caPath = join(directory, 'ca.pem')
  const crlPath = join(directory, 'ca.crl')
  const clients = await Promise.all(DEVELOPMENT_CLIENTS.map(async ({ name, folder }) => {
    const path = join(directory, folder)
    return [name, { folder: path, ...await readIdentity(join(path, 'client'), join(path, 'ca.pem')) }] as const
  }))
  return {
    directory,
    caPath,
    crlPath,
    crl: await readFile(crlPath, 'utf8'),
    authority: { certificatePem: await readFile(caPath, 'utf8'), privateKeyPem: await readFile(join(directory, 'ca.key'), 'utf8') },
    server: await readIdentity(join(directory, 'server'), caPath),
    clients: Object.fromEntries(clients) as TestPki['clients']
  }
}

async function readIdentity(stem: string, caPath: string): Promise<TestIdentity> {
  const certPath = `${stem}.pem`
  const keyPath = `${stem}.key`
  const [cert, key, ca] = await Promise.all([certPath, keyPath, caPath].map((path) => readFile(path, 'utf8'))) as [string, string, string]
  return { certPath, keyPath, caPath, cert, key, ca }
}
