import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatVerifierKey, makeVerifierKey } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import { flushFolder } from '../flush-folder.ts'
import { storeFault, systemCode } from './faults.ts'
import type { LogIdentity } from './head.ts'

const KEY_BYTES_MAX = 16_384

/**
 * Returns who the log is: its origin and its Ed25519 key from the PEM file at `path`, which is made when it is not there: folder 0700, file
 * 0600, written whole or not at all.
 * @throws SigningError `STORE_FAILED` with a sentence for the operator
 */
export async function openLogKey({ origin, path }: Readonly<{ origin: string; path: string }>): Promise<LogIdentity> {
  const privateKey = (await readKey(path)) ?? (await makeKey(path))
  return { origin, privateKey, verifierKey: formatVerifierKey(makeVerifierKey(origin, createPublicKey(privateKey))) }
}

async function readKey(path: string): Promise<KeyObject | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined
    throw storeFault('the key of the log cannot be read', cause, { path })
  })
  if (handle === undefined) return undefined
  try {
    const stats = await handle.stat()
    if (!stats.isFile() || stats.size > KEY_BYTES_MAX) throw unusable(path)
    if ((stats.mode & 0o077) !== 0) throw new SigningError('STORE_FAILED', 'others may read the key of the log, transparencyLog.key: chmod 600 it', { path })
    const pem = await handle.readFile()
    try {
      return parseKey(pem, path)
    } finally {
      pem.fill(0)
    }
  } finally {
    await handle.close()
  }
}

function parseKey(pem: Buffer, path: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (cause) {
    throw unusable(path, cause)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw unusable(path)
  return key
}

/**
 * Made beside its place and then linked there, so that it is never half there, and a link replaces nothing: of replicas that start together
 * on a shared folder whoever comes second reads the first one's. On disk with its name, or a power cut would leave a log without its key.
 */
async function makeKey(path: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519')
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeOnce(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return privateKey
  } catch (cause) {
    const other = systemCode(cause) === 'EEXIST' ? await readKey(path) : undefined
    if (other !== undefined) return other
    throw storeFault('the key of the log cannot be made', cause, { path })
  }
}

async function writeOnce(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600, flush: true })
    await link(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
  await flushFolder(dirname(path))
}

function unusable(path: string, cause?: unknown): SigningError {
  return new SigningError('STORE_FAILED', 'transparencyLog.key is not an Ed25519 private key in PKCS#8 PEM', { path, cause })
}
