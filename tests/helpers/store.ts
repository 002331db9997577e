import { generateKeyPairSync, hash, randomUUID } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { formatVerifierKey, makeVerifierKey } from '../../formats/index.ts'
import type { LogIdentity } from '../../server/store/head.ts'
import { openDatabase } from '../../server/store/open-database.ts'
import { openStore } from '../../server/store/open.ts'
import type { Level, Store, Subject, Unrecorded } from '../../server/store/store.ts'

const { privateKey } = generateKeyPairSync('ed25519')

/** The log of tests: one key for all of a process, so that a store can be opened again. */
export const TEST_LOG: LogIdentity = { origin: 'signing-server/log', privateKey, verifierKey: formatVerifierKey(makeVerifierKey('signing-server/log', createPublicKey(privateKey))) }

/** How long answers are kept in tests. */
export const KEEP_MS = 3_600_000

/** Opens the store in the SQLite file at `path`, in the thread of the test: a thread of its own would cost each test its start. */
export async function openTestStore(path: string, more: Readonly<{ signatureFile?: string; keepMs?: number }> = {}): Promise<Store> {
  return await openStore({ url: `sqlite:${path}`, identity: TEST_LOG, keepMs: KEEP_MS, ...more }, openDatabase)
}

/** What a test may want to choose of a subject and its signature. */
export type Choice = Readonly<{
  id?: string
  client?: string
  relativePath?: string
  sizeBytes?: number
  modifiedAtMs?: number
  package?: string
  filesets?: readonly string[]
  vrmf?: string
  keyid?: string
  signedAt?: string
  /** What the file holds; another content has another digest. */
  content?: string
  force?: boolean
  resign?: boolean
  /** Without a place: as if it had been sent. */
  sent?: boolean
}>

/** A subject and the signature that could have been made of it: one record per fileset of package PkgA, `PkgA.rte` unless told otherwise. */
export function recording(choice: Choice = {}): Readonly<{ subject: Subject; signature: Unrecorded }> {
  const { id = randomUUID(), client = 'release-bot', relativePath = 'ppc/PkgA.bff', sizeBytes = 51_200, modifiedAtMs = 1_375_425_475_000, package: name = 'PkgA', vrmf = '1.0.0.0', keyid = '1001' } = choice
  const { content = id, force = false, resign = false, sent = false, signedAt = '2026-11-24T05:06:07.089Z' } = choice
  // A level has one content: where a test does not choose, each content has a fileset of its own, of 64 bits, because eight digits meet once in 60 runs of 12,000.
  const filesets = choice.filesets ?? [`PkgA.${hash('sha256', content).slice(0, 16)}`]
  const sha256 = hash('sha256', content)
  const signature = Buffer.alloc(256, sha256).toString('base64')
  const levels = filesets.map((fileset): Level => ({ package: name, fileset, vrmf, ftype: 'I' }))
  return {
    subject: {
      artefact: hash('sha256', JSON.stringify([sha256, keyid, levels])),
      sha256,
      levels,
      force,
      resign,
      recipient: { client, spkiSha256: 'ab'.repeat(32), ...(sent ? {} : { file: { root: 'nim', relativePath, sizeBytes, modifiedAtMs } }) },
    },
    signature: {
      id,
      filename: relativePath.slice(relativePath.lastIndexOf('/') + 1),
      format: filesets.length === 0 ? 'other' : 'installp',
      source: sent ? 'upload' : 'path',
      sha256,
      sizeBytes,
      keyid,
      algorithm: 'rsa-2048-sha256',
      covers: 'file',
      signature,
      signedAt,
      records: filesets.map((fileset) => ({ keyid, package: name, timestamp: '1375425475', fileset, ftype: 'I', vrmf, signature })),
    },
  }
}

/** A real store some of whose methods are replaced, to see what the server makes of a fault. */
export function spoiledStore(store: Store, changes: Partial<Store>): Store {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(store)) as (keyof Store)[]
  return { ...Object.fromEntries(names.map((name) => [name, (store[name] as (...args: unknown[]) => unknown).bind(store)])), ...changes } as unknown as Store
}
