import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { parseSignatureFile } from '../../formats/index.ts'
import type { FormatError, SignatureRecord } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { ErrorFacts } from '../errors.ts'

/** Limits of a signature file, and what the log should also be told when it is not usable (what the command printed). */
export type OutputOptions = Readonly<{ outputBytes: number; signatureBytes: number; facts: ErrorFacts }>

/**
 * Reads and parses the signature file that a command wrote. It is opened once, never through a symbolic link, and must be a regular file
 * of at most `outputBytes`; every signature must have the length of the key, `signatureBytes`.
 * @throws SigningError `SIGNER_NO_RECORD` when there is no such file or no record in it; `SIGNER_OUTPUT_TOO_LARGE`;
 * `SIGNER_SIGNATURE_TRUNCATED` for a signature of another length; `SIGNER_RECORD_MALFORMED` for any other fault
 */
export async function readSignatureOutput(path: string, options: OutputOptions): Promise<SignatureRecord[]> {
  const bytes = await readBounded(path, options)
  try {
    return parseSignatureFile(bytes, { signatureBytes: options.signatureBytes })
  } catch (error) {
    throw unusable(error as FormatError, bytes, options)
  }
}

async function readBounded(path: string, { outputBytes, facts }: OutputOptions): Promise<Buffer> {
  // Without O_NONBLOCK a FIFO would be waited for until somebody writes to it.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw noFile({ ...facts, cause })
  })
  try {
    if (!(await handle.stat()).isFile()) throw noFile(facts)
    return await readUpTo(handle, outputBytes, facts)
  } finally {
    await handle.close()
  }
}

// The size that the file says it has is not asked for: only what was read counts, and one byte more than allowed is enough to know.
async function readUpTo(handle: FileHandle, outputBytes: number, facts: ErrorFacts): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of handle.createReadStream({ start: 0, end: outputBytes, autoClose: false }) as AsyncIterable<Buffer>) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  if (bytes.length > outputBytes) throw tooLarge(outputBytes, facts)
  return bytes
}

function unusable(error: FormatError, bytes: Buffer, { signatureBytes, facts }: OutputOptions): SigningError {
  const details = { ...facts, format: error.code }
  switch (error.code) {
    case 'SIGNATURE_FILE_EMPTY':
      return new SigningError('SIGNER_NO_RECORD', 'the signing command succeeded but wrote no record', details)
    case 'SIGNATURE_LENGTH_WRONG':
      return truncated(signatureBytes, details)
    case 'SIGNATURE_NOT_BASE64':
      if (hasCutSignature(bytes, signatureBytes)) return truncated(signatureBytes, details)
      break
  }
  return new SigningError('SIGNER_RECORD_MALFORMED', `the signing command wrote a malformed record: ${error.message}`, details)
}

// Base64 that was cut anywhere but between two groups, or lost its padding, is no longer base64; it still is a signature cut short.
function hasCutSignature(bytes: Buffer, signatureBytes: number): boolean {
  const wholeChars = Math.ceil(signatureBytes / 3) * 4
  const signatures = bytes.toString('latin1').split(/\r?\n/).filter((line) => !line.startsWith('#')).map((line) => line.split(':')[6])
  return signatures.some((text) => text !== undefined && text.length < wholeChars && /^[A-Za-z0-9+/]*={0,2}$/.test(text))
}

function noFile(facts: ErrorFacts & { cause?: unknown }): SigningError {
  return new SigningError('SIGNER_NO_RECORD', 'the signing command succeeded but wrote no signature file', facts)
}

function tooLarge(outputBytes: number, facts: ErrorFacts): SigningError {
  return new SigningError('SIGNER_OUTPUT_TOO_LARGE', `the signing command wrote more than ${outputBytes} bytes`, facts)
}

function truncated(signatureBytes: number, facts: ErrorFacts): SigningError {
  return new SigningError('SIGNER_SIGNATURE_TRUNCATED', `the signing command wrote a signature that is not ${signatureBytes} bytes long, as its key demands`, facts)
}
