/** Why a key command did nothing: one sentence for the operator, with the remedy. It names paths, never what is in them. `usage` where the command line itself is at fault. */
export class KeyCommandFault extends Error {
  override readonly name = 'KeyCommandFault'
  readonly usage: boolean

  constructor(message: string, { usage = false, cause }: Readonly<{ usage?: boolean; cause?: unknown }> = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.usage = usage
  }
}
