/** The part of the SDK that every command with a server needs: a client, its errors, and the lines of a signature file. What only some need is loaded by them. */
export { createClient } from './client.ts'
export { LocalFileError } from './local-error.ts'
export { ConnectionError, ProblemError } from './problem.ts'
export { formatSignatureRecord, SIGNATURE_FILE_HEADER } from '../formats/signature/file.ts'
