import { close, fstat, read } from 'node:fs'
import type { Stats } from 'node:fs'
import { promisify } from 'node:util'
import { firstLine, withKeyFile } from './key-file.ts'
import { KeyFaults } from './key-faults.ts'

/** Where a passphrase comes from: the first line of a file, or of what a descriptor is open on. Neither: there is none. */
export type PassphraseSource = Readonly<{ passphraseFile?: string | undefined; passphraseFd?: number | undefined }>

/** What a passphrase is called in a message: the member of the configuration, and the path or the descriptor. */
export type PassphraseName = Readonly<{ member: 'passphraseFile' | 'passphraseFd'; place: string }>

// OpenSSL takes no longer one.
const PASSPHRASE_BYTES_MAX = 1024

const FD_BYTES_MAX = 64 * 1024

/** Returns what the source of a passphrase is called; undefined when there is none. */
export function passphraseName({ passphraseFile, passphraseFd }: PassphraseSource): PassphraseName | undefined {
  if (passphraseFile !== undefined) return { member: 'passphraseFile', place: passphraseFile }
  return passphraseFd === undefined ? undefined : { member: 'passphraseFd', place: `descriptor ${passphraseFd}` }
}

/**
 * Resolves with what `use` makes of a passphrase: the bytes of the first line, which are overwritten with zeros afterwards. A descriptor
 * is read to its end, once in the life of the process, and closed.
 * @throws KeyFaults; when there is no source, with the sentence `missing`
 */
export async function withPassphrase<T>(source: PassphraseSource, missing: string, use: (passphrase: Buffer) => T | Promise<T>): Promise<T> {
  const name = passphraseName(source)
  if (name === undefined) throw new KeyFaults([missing])
  const useLine = async (bytes: Buffer): Promise<T> => await use(checked(firstLine(bytes), name.place))
  return source.passphraseFile === undefined ? await withDescriptor(source.passphraseFd as number, useLine) : await withKeyFile(source.passphraseFile, 'secret', useLine)
}

function checked(passphrase: Buffer, place: string): Buffer {
  if (passphrase.length === 0) throw new KeyFaults([`the first line of ${place} is empty; it must be the passphrase`])
  if (passphrase.length <= PASSPHRASE_BYTES_MAX) return passphrase
  throw new KeyFaults([`the first line of ${place} has more than ${PASSPHRASE_BYTES_MAX} bytes, the most a passphrase can have`])
}

async function withDescriptor<T>(fd: number, use: (bytes: Buffer) => Promise<T>): Promise<T> {
  const space = Buffer.alloc(FD_BYTES_MAX + 1)
  try {
    return await use(await readToEnd(fd, space))
  } finally {
    space.fill(0)
  }
}

async function readToEnd(fd: number, space: Buffer): Promise<Buffer> {
  try {
    // The process has descriptors of its own, which nobody must read from: those that wait for events have no kind.
    if (!hasBytes(await promisify(fstat)(fd))) throw new KeyFaults([`descriptor ${fd} is open on no file, pipe or socket`])
    const length = await fill(fd, space)
    if (length > FD_BYTES_MAX) throw new KeyFaults([`descriptor ${fd} has more than ${FD_BYTES_MAX} bytes`])
    await promisify(close)(fd)
    return space.subarray(0, length)
  } catch (cause) {
    if (cause instanceof KeyFaults) throw cause
    throw new KeyFaults([`descriptor ${fd} cannot be read (${(cause as NodeJS.ErrnoException).code}); whoever starts the server opens it`], { cause })
  }
}

function hasBytes(stats: Stats): boolean {
  return stats.isFile() || stats.isFIFO() || stats.isSocket()
}

async function fill(fd: number, space: Buffer): Promise<number> {
  let length = 0
  while (length < space.length) {
    const { bytesRead } = await promisify(read)(fd, { buffer: space, offset: length })
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}
