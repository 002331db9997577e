import { basename } from 'node:path'
import { SigningError } from '../errors.ts'
import type { InspectedFile, Inspector, OpenFile } from '../packages/inspect.ts'
import { closeOpened } from '../roots/open.ts'
import type { SafePath } from '../roots/resolve.ts'
import type { Format } from '../schemas/format.ts'
import type { Signature } from '../schemas/signature.ts'
import type { Signable } from '../signers/signer.ts'
import { checkSize, metered } from './allowed.ts'
import { inTurn } from './in-turn.ts'
import type { SignContentDeps, SignContext } from './sign-content.ts'
import { signInOverlap } from './sign-overlap.ts'

export type SignFileDeps = SignContentDeps & Readonly<{ inspector: Inspector }>

/**
 * Signs one file that the server can read: open once, inspect, sign, make sure that it is still the same file.
 * @throws SigningError `SERVER_BUSY`, what the inspector, {@link checkSize}, {@link inspectSignable} and {@link signInOverlap} throw
 */
export async function signFile(deps: SignFileDeps, place: SafePath, context: SignContext): Promise<Signature> {
  return await inTurn(deps, context, async () => await openAndSign(deps, place, context))
}

async function openAndSign(deps: SignFileDeps, place: SafePath, context: SignContext): Promise<Signature> {
  const file = await deps.inspector.open(place, context.signal)
  try {
    const sizeBytes = file.state.size
    checkSize(context.caller, sizeBytes)
    const inspecting = { file, filename: basename(place.absolutePath), signal: context.signal }
    const { signable, format } = await metered(context.caller, sizeBytes, async () => await inspectSignable(deps.inspector, inspecting))
    const settle = async (): Promise<void> => await deps.inspector.settle(file, signable)
    const signed = { root: place.root.name, relativePath: place.relativePath, sizeBytes, modifiedAtMs: Math.trunc(file.state.mtimeMs) }
    return await signInOverlap(deps, context, { signable, format, source: 'path', place: signed, settle })
  } finally {
    closeOpened(file)
  }
}

type Inspecting = Readonly<{ file: OpenFile & Pick<InspectedFile, 'info'>; filename: string; sha256?: Buffer; signal: AbortSignal }>

/**
 * Returns what is to be signed of an open file. `sha256` is that of the whole file where it is known already.
 * @throws SigningError `NOT_A_PACKAGE`, `FORMAT_NOT_ACCEPTED`, and what the inspector throws
 */
export async function inspectSignable(inspector: Inspector, { file, filename, sha256, signal }: Inspecting): Promise<Readonly<{ signable: Signable; format: Format }>> {
  const info = file.info ?? await inspector.inspect(file, { signal, ...(sha256 === undefined ? {} : { sha256 }) })
  switch (info.kind) {
    case 'installp':
      return { format: 'installp', signable: { file, filename, sizeBytes: info.sizeBytes, sha256: info.sha256, info: info.installp } }
    case 'detached':
      return { format: info.format, signable: { file, filename, sizeBytes: info.sizeBytes, sha256: info.sha256 } }
    case 'toc':
      throw tableOfContents()
    case 'refused':
      // Only what is no package by its content may get a better reason from the name that inutoc always writes.
      throw filename === '.toc' ? tableOfContents() : refused(info.format)
  }
}

function tableOfContents(): SigningError {
  return new SigningError('NOT_A_PACKAGE', 'the file is a table of contents', { kind: 'toc' })
}

function refused(format: Format): SigningError {
  if (format === 'other') return new SigningError('NOT_A_PACKAGE', 'the file is not an installp package image and no other format that is known', { kind: 'other' })
  return new SigningError('FORMAT_NOT_ACCEPTED', `the file is of format ${format}, which formats.accept does not list`, { kind: format })
}
