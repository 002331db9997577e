import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SigningError } from '../errors.ts'
import { COLUMNS, SEALED_TABLES } from './tables.ts'
import type { LogHeadRow, SealedTable, StoreTables } from './tables.ts'

/**
 * The sums over the rows of each table: of each row a keyed hash, added modulo 2^256. A row that is added, changed or removed changes the
 * sum, whatever the order of the rows, so that a writer only needs to know the rows that it touches.
 */
export type Sums = ReadonlyMap<SealedTable, bigint>

/** The key under which rows are hashed and sums are sealed; made from the private key of the log, so that nobody else can. */
export type SealKey = Readonly<{ rows: KeyObject; sums: KeyObject }>

/** What a seal stands for beside the sums: how far the log goes. */
type Sealed = Pick<LogHeadRow, 'size' | 'hashes'>

const MODULUS = 1n << 256n
const TAG_BYTES = 16
// Under a key that is used once, any nonce is unique.
const NONCE = Buffer.alloc(12)

/** Returns the seal key of a log, from its Ed25519 private key. */
export function deriveSealKey(logKey: KeyObject): SealKey {
  // An Ed25519 signature is deterministic (RFC 8032, section 5.1.6) and as secret as the key while nobody asks for this text to be signed.
  const secret = sign(null, Buffer.from('signing-server: the seal over the rows of the store'), logKey)
  const derive = (purpose: string) => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)))
  return { rows: derive('rows'), sums: derive('sums') }
}

/** Returns the sums of tables without rows. */
export function emptySums(): Map<SealedTable, bigint> {
  return new Map(SEALED_TABLES.map((table) => [table, 0n]))
}

/** Returns what a row adds to the sum of its table. */
export function weighRow<T extends SealedTable>({ rows }: SealKey, table: T, row: StoreTables[T]): bigint {
  const values = COLUMNS[table].map((column) => (row as Readonly<Record<string, unknown>>)[column])
  return BigInt(`0x${createHmac('sha256', rows).update(JSON.stringify([table, values])).digest('hex')}`)
}

/** Returns a sum with something added, or taken away where that is negative. */
export function addToSum(sum: bigint, weight: bigint): bigint {
  return (((sum + weight) % MODULUS) + MODULUS) % MODULUS
}

/**
 * Seals the sums: whoever can write into the database can neither make a seal nor learn from it what a row weighs. AES-256-GCM under a key that
 * is used once, from a random salt; both in base64, the tag behind the text.
 */
export function sealSums({ sums: key }: SealKey, { size, hashes }: Sealed, sums: Sums): Pick<LogHeadRow, 'salt' | 'seal'> {
  const salt = randomBytes(32)
  const cipher = createCipheriv('aes-256-gcm', onceKey(key, salt), NONCE).setAAD(stateOf({ size, hashes }))
  const text = JSON.stringify(SEALED_TABLES.map((table) => (sums.get(table) as bigint).toString(16)))
  const seal = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return { salt: salt.toString('base64'), seal: seal.toString('base64') }
}

/**
 * Opens a seal.
 * @throws SigningError `STORE_FAILED` when this server, or another with the same log key, did not make it for this state of the log
 */
export function openSeal({ sums: key }: SealKey, { size, hashes, salt, seal }: Omit<LogHeadRow, 'id' | 'log_key'>): Map<SealedTable, bigint> {
  try {
    const bytes = decodeStrictly(seal)
    const decipher = createDecipheriv('aes-256-gcm', onceKey(key, decodeStrictly(salt)), NONCE, { authTagLength: TAG_BYTES })
    decipher.setAAD(stateOf({ size, hashes })).setAuthTag(bytes.subarray(-TAG_BYTES))
    const text = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString()
    const sums = JSON.parse(text) as readonly string[]
    return new Map(SEALED_TABLES.map((table, at) => [table, BigInt(`0x${sums[at]}`)]))
  } catch (cause) {
    throw new SigningError('STORE_FAILED', 'the head of the log was not written by this server: somebody changed the database', { cause })
  }
}

/** Node reads base64 leniently; a column that was changed is changed, though it may still mean the same. */
function decodeStrictly(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) throw new TypeError('not the base64 that was written')
  return bytes
}

function onceKey(key: KeyObject, salt: Buffer): Buffer {
  return createHmac('sha256', key).update(salt).digest()
}

function stateOf({ size, hashes }: Sealed): Buffer {
  return Buffer.from(`${size}\n${hashes}`)
}
