import { constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { KeyFaults } from './key-faults.ts'

// The largest encrypted RSA-4096 key has 4 KiB, a certificate with many names a few more.
const MAX_BYTES = 64 * 1024

const BEGIN = '-----BEGIN '
const DASHES = '-----'
const LABEL_CHARS_MAX = 64

/** `secret`: readable by the server's own user alone. `public`: anybody may read it. */
export type KeyFileRole = 'secret' | 'public'

/**
 * Resolves with what `use` makes of the bytes of a key file; afterwards they are overwritten with zeros, so `use` must not keep them.
 * The file is opened once and everything is checked on the open handle: a regular file of at most 64 KiB and, when `secret`, owned by
 * the server's user or root and without any permission for group and others.
 * @throws KeyFaults
 */
export async function withKeyFile<T>(path: string, role: KeyFileRole, use: (bytes: Buffer) => T | Promise<T>): Promise<T> {
  // Non-blocking, or a FIFO in the place of the file would hold up the start for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    throw new KeyFaults([`${path} cannot be opened (${cause.code})`], { cause })
  })
  const space = Buffer.alloc(MAX_BYTES + 1)
  try {
    return await use(await readChecked(path, role, { handle, space }))
  } finally {
    space.fill(0)
  }
}

type Reading = Readonly<{ handle: FileHandle; space: Buffer }>

async function readChecked(path: string, role: KeyFileRole, { handle, space }: Reading): Promise<Buffer> {
  try {
    const fault = faultOf(path, role, await handle.stat())
    if (fault !== undefined) throw new KeyFaults([fault])
    const bytes = await readInto(space, handle)
    if (bytes.length > MAX_BYTES) throw new KeyFaults([`${path} has more than ${MAX_BYTES} bytes`])
    return bytes
  } finally {
    await handle.close()
  }
}

/**
 * Returns the label of the only PEM block in a file, such as `PRIVATE KEY`; undefined when there is none, or a second one, which would
 * leave open which of them is meant.
 * @see RFC 7468
 */
export function pemLabel(bytes: Buffer): string | undefined {
  const begin = bytes.indexOf(BEGIN)
  const start = begin + BEGIN.length
  const end = bytes.indexOf(DASHES, start)
  const isOne = begin !== -1 && end !== -1 && end - start <= LABEL_CHARS_MAX && !bytes.includes(BEGIN, end)
  return isOne ? bytes.toString('latin1', start, end) : undefined
}

/** Returns the first line of bytes, without its end. Bytes, not text: a string could not be overwritten afterwards. */
export function firstLine(bytes: Buffer): Buffer {
  const lineEnd = bytes.indexOf('\n')
  const line = lineEnd === -1 ? bytes : bytes.subarray(0, lineEnd)
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}

function faultOf(path: string, role: KeyFileRole, stats: Stats): string | undefined {
  if (!stats.isFile()) return `${path} is not a regular file`
  if (role === 'public') return undefined
  if ((stats.mode & 0o077) !== 0) {
    return `${path} may be used by its group or by others (mode ${(stats.mode & 0o777).toString(8)}): chmod 600 ${path}`
  }
  const user = process.geteuid?.()
  // Root may replace any file anyway; another user who owns the file may let others read it at any time.
  return stats.uid === user || stats.uid === 0 ? undefined : `${path} belongs to user ${stats.uid}; the server runs as user ${user}`
}

async function readInto(space: Buffer, handle: FileHandle): Promise<Buffer> {
  let length = 0
  for (;;) {
    const { bytesRead } = await handle.read(space, length, space.length - length, length)
    if (bytesRead === 0) return space.subarray(0, length)
    length += bytesRead
  }
}
