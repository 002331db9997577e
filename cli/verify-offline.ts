import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { SignatureFile, SignatureForm } from '../sdk/index.ts'
import { guessForm, LocalFileError, verifyOffline } from '../sdk/local.ts'
import { DSBLKCHK, EXIT, type ExitStatus } from './exit-status.ts'
import { failureOf, type Failure } from './failure.ts'
import type { Invocation } from './invocation.ts'
import { expandFiles, type LocalFile } from './local-files.ts'
import type { Bench } from './session.ts'
import { UsageError } from './usage-error.ts'
import { verificationOutput, type Verified } from './verification-text.ts'

/**
 * Verifies files of this machine with nothing but a public key.
 * @throws UsageError for a key or a signature that cannot be used, or a pattern that matches nothing
 */
export async function verifyOfflineCommand(bench: Bench, invocation: Invocation): Promise<ExitStatus> {
  const { settings: { key }, io: { signal } } = bench
  const publicKeyPem = await readNamed('public key', key.value)
  const signature = await readSignature(bench, invocation)
  const check = async (path: string) => {
    try {
      return await verifyOffline({ file: path, publicKeyPem, signature, signal })
    } catch (error) {
      if (error instanceof LocalFileError && error.code === 'KEY_UNUSABLE') throw new UsageError([`the public key ${key.value}: ${error.detail}`], [error.hint])
      throw error
    }
  }
  return await verifyFiles(bench, invocation, async ({ name, path }) => ({ name, verification: await check(path) }))
}

/** Verifies one local file after the other, prints what becomes of each, and returns the exit status that goes with all of it. */
export async function verifyFiles(bench: Bench, { files: names, own }: Invocation, verify: (file: LocalFile) => Promise<Verified>): Promise<ExitStatus> {
  const files = await expandFiles(names, bench.io.cwd)
  const shown = verificationOutput(bench, false)
  const all: Verified[] = []
  for (const file of files) {
    const verified = await verify(file).catch((error: unknown): Verified => {
      const problem = failureOf(error)
      if (problem === undefined) throw error
      return { name: file.name, problem }
    })
    await shown.add(verified)
    all.push(verified)
  }
  await shown.end()
  return own['dsblkchk'] === true ? dsblkchk(all[0]!) : statusOf(all)
}

/** Returns `done` when every signature is valid. */
export function statusOf(all: readonly Verified[]): ExitStatus {
  return all.every((verified) => 'verification' in verified && verified.verification.valid) ? EXIT.done : EXIT.notSigned
}

/** What dsblkchk(1) would say; a file that could not even be read is a fault of usage, and a server that would not look at it no answer. */
function dsblkchk(verified: Verified): ExitStatus {
  if ('problem' in verified) return unjudged(verified.problem)
  const { valid, reason } = verified.verification
  if (valid) return DSBLKCHK.verified
  return reason === 'NO_SIGNATURE' ? DSBLKCHK.none : DSBLKCHK.bad
}

function unjudged({ status }: Failure): ExitStatus {
  return status === undefined ? EXIT.dsblkchkUsage : EXIT.dsblkchkUnavailable
}

/**
 * Returns the signature that `--signature` names; undefined without it.
 * @throws UsageError when it cannot be read, or nobody says what it is
 */
export async function readSignature({ io }: Bench, { own }: Invocation): Promise<SignatureFile | undefined> {
  if (typeof own['signature'] !== 'string') return undefined
  const bytes = await readNamed('signature', resolve(io.cwd, own['signature']))
  const form = (own['form'] as SignatureForm | undefined) ?? guessForm(bytes)
  if (form === undefined) throw new UsageError([`${own['signature']}: its content does not tell what it is`], ['say it with --form: record, sig, dsb or dsc'])
  return { form, bytes }
}

async function readNamed(what: string, path: string): Promise<Buffer> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError([`the ${what} ${path} cannot be read (${error.code})`])
  })
}
