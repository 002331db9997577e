import { checkFtype, checkName, FormatError, parseVrmf } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { InstallpInfo } from '../packages/package-info.ts'
import { decide } from '../policy/decide.ts'
import { parseFilename } from '../roots/filename.ts'
import type { DigestItem } from '../schemas/digest.ts'
import type { Signature } from '../schemas/signature.ts'
import { checkSize } from './allowed.ts'
import type { Caller } from './caller.ts'
import type { SignContentDeps, SignContext } from './sign-content.ts'
import { inTurn } from './in-turn.ts'
import { signInOverlap } from './sign-overlap.ts'

/**
 * Refuses a caller whose policy does not let it have a digest signed whose file the server never saw.
 * @throws SigningError `DIGEST_NOT_ALLOWED`
 */
export function checkDigestAllowed({ policy, identity }: Caller): void {
  if (decide(policy, identity, { kind: 'digest' }).kind === 'deny') throw new SigningError('DIGEST_NOT_ALLOWED', 'this client may not have a digest signed without its file')
}

/**
 * Signs one digest. Package and filesets are what the client says of them; the signature says that the content was not seen.
 * @throws SigningError `SERVER_BUSY`, `FILE_TOO_LARGE`, `FILE_NAME_REFUSED`, `REQUEST_INVALID`, `PACKAGE_MALFORMED`, `DIGEST_NOT_SIGNABLE`, and what {@link signInOverlap} throws
 */
export async function signDigest(deps: SignContentDeps, item: DigestItem, context: SignContext): Promise<Signature> {
  checkSize(context.caller, item.sizeBytes)
  const info = describedPackage(item, deps.clock)
  const signable = {
    filename: parseFilename(item.filename),
    sizeBytes: item.sizeBytes,
    sha256: Buffer.from(item.digest.sha256, 'hex'),
    ...(info === undefined ? {} : { info }),
  }
  return await inTurn(deps, context, async () => await signInOverlap(deps, context, { signable, format: info === undefined ? 'other' : 'installp', source: 'digest' }))
}

function describedPackage({ package: name, ftype = 'I', filesets, builtAt }: DigestItem, clock: () => Date): InstallpInfo | undefined {
  if ((name === undefined) !== (filesets === undefined)) throw new SigningError('REQUEST_INVALID', 'package and filesets make records only together')
  if (name === undefined || filesets === undefined) return undefined
  const time = builtAt ?? Math.floor(clock().getTime() / 1000)
  try {
    for (const { fileset, vrmf } of filesets) {
      checkName(fileset)
      parseVrmf(vrmf)
    }
    if (new Set(filesets.map(({ fileset, vrmf }) => `${fileset}:${vrmf}`)).size < filesets.length) throw new FormatError('LPP_NAME_DUPLICATE', 'a fileset level is there twice')
    return { package: checkName(name), ftype: checkFtype(ftype), filesets, builtAt: time, lppNameModifiedAt: time }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new SigningError('PACKAGE_MALFORMED', `the description of the package is malformed: ${error.message} (${error.code})`, { format: error.code })
  }
}
