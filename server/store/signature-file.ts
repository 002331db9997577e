import { Buffer } from 'node:buffer'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { FormatError } from '../../formats/error.ts'
import { SIGNATURE_FILE_HEADER, formatSignatureRecord, parseSignatureFile } from '../../formats/signature/file.ts'
import type { SignatureRecord } from '../../formats/signature/file.ts'
import { SigningError } from '../errors.ts'
import { storeFault, systemCode } from './faults.ts'
import { GroupCommit } from './group-commit.ts'

const LF = 0x0a
const CHUNK_BYTES = 1_048_576
const FAULT = 'the signature file could not be written'
const OPEN_FAULTS: Readonly<Record<string, string>> = {
  EACCES: 'the server has no access to the signature file',
  EISDIR: 'the signature file is a directory',
  ELOOP: 'the signature file is a symbolic link: name the file itself',
  ENOENT: 'the folder of the signature file does not exist',
  EROFS: 'the signature file lies on a file system that may only be read',
}

/** What is needed of the open file; a FileHandle is one. */
export type AppendHandle = Pick<FileHandle, 'stat' | 'read' | 'write' | 'truncate' | 'datasync' | 'close'>

/**
 * Opens the signature file at `path` to append to it; a new one gets mode 0600. The handle is kept: whoever renames the file still
 * gets the records, whoever deletes it is told. One server process per file: it cuts back what it could not write whole.
 *
 * The whole file must parse. What a power cut leaves, a last line without its end, is refused and not repaired, because nobody but
 * the operator can know what it was; the message says which bytes to cut off. The records of that line are in the catalogue.
 * @throws SigningError `STORE_FAILED`
 */
export async function openSignatureFile(path: string): Promise<SignatureFile> {
  const handle = await openToAppend(path)
  try {
    await checkContent(handle)
    return new SignatureFile(handle)
  } catch (cause) {
    await handle.close()
    throw storeFault('the signature file could not be read', cause, { path })
  }
}

/** A signature file that grows. Appends are written one after the other, those of the same moment with one disk flush. */
export class SignatureFile {
  readonly #handle: AppendHandle
  readonly #group: GroupCommit<string, undefined>
  #closing: Promise<void> | undefined

  constructor(handle: AppendHandle) {
    this.#handle = handle
    this.#group = new GroupCommit({
      commit: async (texts) => {
        await this.#write(texts)
        return texts.map(() => undefined)
      },
      isItemFault: () => false,
    })
  }

  /**
   * Appends the lines of `records` in one write and resolves when they survive a power cut; the header line comes first where the file
   * is empty. On an error the file is as it was. No records: nothing is written.
   * @throws SigningError `STORE_FAILED`, `STORAGE_FULL`
   */
  async append(records: readonly SignatureRecord[]): Promise<void> {
    this.#refuseClosed()
    if (records.length === 0) return
    try {
      await this.#group.add(records.map((record) => `${formatSignatureRecord(record)}\n`).join(''))
    } catch (cause) {
      throw storeFault(FAULT, cause)
    }
  }

  /** Resolves when the file can be appended to, as far as that shows without a write. @throws SigningError `STORE_FAILED` */
  async probe(): Promise<void> {
    this.#refuseClosed()
    try {
      await this.#usableSize()
    } catch (cause) {
      throw storeFault(FAULT, cause)
    }
  }

  /** Writes what is waiting and closes the file. */
  close(): Promise<void> {
    return this.#closing ??= this.#group.settled().then(() => this.#handle.close())
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new SigningError('STORE_FAILED', 'the signature file is closed')
  }

  async #write(texts: readonly string[]): Promise<void> {
    const before = await this.#usableSize()
    try {
      const [first, ...others] = texts
      await writeWhole(this.#handle, before === 0 ? `${SIGNATURE_FILE_HEADER}\n${first}` : `${first}`)
      for (const text of others) await writeWhole(this.#handle, text)
      await this.#handle.datasync()
    } catch (cause) {
      const cutBack = await cutBackTo(this.#handle, before)
      throw storeFault(FAULT, cause, { cutBack })
    }
  }

  /** The size in bytes, of a file that still has a name and ends with a whole line: to append to half a line would spoil two. */
  async #usableSize(): Promise<number> {
    const { size, nlink } = await this.#handle.stat()
    if (nlink === 0) throw new SigningError('STORE_FAILED', 'the signature file was deleted while the server ran: restart the server')
    if (!await endsWholeLine(this.#handle, size)) {
      throw new SigningError('STORE_FAILED', 'the signature file ends in the middle of a line: restart the server to be told where')
    }
    return size
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  let handle: FileHandle | undefined
  try {
    handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
    if (!(await handle.stat()).isFile()) throw new SigningError('STORE_FAILED', 'the signature file is no regular file', { path })
    return handle
  } catch (cause) {
    await handle?.close()
    throw storeFault(OPEN_FAULTS[`${systemCode(cause)}`] ?? 'the signature file could not be opened', cause, { path })
  }
}

/** A short write is no error to the system; the next one says what is wrong. */
async function writeWhole(handle: AppendHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text, 'latin1')
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written)).bytesWritten
  }
}

/** Returns undefined when the file has its old length again, else why not: then the next append finds the torn line and refuses. */
async function cutBackTo(handle: AppendHandle, size: number): Promise<unknown> {
  try {
    await handle.truncate(size)
    await handle.datasync()
    return undefined
  } catch (cause) {
    return cause
  }
}

async function endsWholeLine(handle: AppendHandle, size: number): Promise<boolean> {
  if (size === 0) return true
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === LF
}

/** Line by line nothing depends on another line, so the file is parsed in pieces that end at a line end, in flat memory. */
async function checkContent(handle: AppendHandle): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const read = async (position: number) => chunk.subarray(0, (await handle.read(chunk, 0, CHUNK_BYTES, position)).bytesRead)
  let start = 0
  for (let piece = await read(start); piece.length > 0; piece = await read(start)) {
    const lineEnd = piece.lastIndexOf(LF) + 1
    if (lineEnd === 0) throw tornLine(start)
    checkLines(piece.subarray(0, lineEnd), start)
    start += lineEnd
  }
}

function tornLine(wholeBytes: number): SigningError {
  return new SigningError(
    'STORE_FAILED',
    `the signature file ends in the middle of a line, as a crash leaves it; only its first ${wholeBytes} bytes are whole lines: `
    + `keep those (truncate -s ${wholeBytes} FILE) or move the file away; the catalogue has the records`,
    { wholeBytes },
  )
}

function checkLines(lines: Buffer, offset: number): void {
  try {
    parseSignatureFile(lines, { maxRecords: CHUNK_BYTES })
  } catch (cause) {
    if (cause instanceof FormatError && cause.code === 'SIGNATURE_FILE_EMPTY') return
    throw new SigningError('STORE_FAILED', `the signature file is malformed: ${(cause as Error).message}; move it away to begin a new one`, { cause, offset })
  }
}
