/**
 * How much is saved at once. A piece of a TLS connection has 16 KiB: too little for a system call each, and for a message to a thread.
 */
const HALF_BYTES = 512 * 1024

/** Keeps some bytes, which may be looked at by another thread and stay as they are until that is done. After the last ones nothing follows. */
export type Save = (bytes: Uint8Array, isLast: boolean) => Promise<void>

/** A body on its way to where it is saved. */
export type Halves = Readonly<{
  /** Takes the next piece, and the memory it lies in. */
  add: (piece: Buffer) => void
  /** Nothing more comes. */
  end: () => void
  /** Saves no more; resolves when nothing is being saved any more. */
  stop: () => Promise<void>
}>

/** `sizeBytes` is how much will come, where that is known; `flow` is held back while there is no room. */
export type HalvesOptions = Readonly<{ sizeBytes: number | undefined; save: Save; flow: Readonly<{ pause: () => unknown; resume: () => unknown }>; saved: () => void; failed: (error: unknown) => void }>

/** Returns memory in two halves, shared with other threads: while one is saved, the other one fills. `saved` is called when the last bytes are. */
export function createHalves({ sizeBytes = HALF_BYTES, save, flow, saved, failed }: HalvesOptions): Halves {
  const halfBytes = Math.max(1, Math.min(HALF_BYTES, sizeBytes))
  const memory = (): Buffer => Buffer.from(new SharedArrayBuffer(halfBytes))
  let [filling, other]: [Buffer, Buffer | undefined] = [memory(), undefined]
  let filled = 0
  /** What there was no room for, from `taken` on. */
  let rest: Readonly<{ piece: Buffer; taken: number }> | undefined
  let [hasEnded, isStopped] = [false, false]
  let saving: Promise<void> | undefined

  const saveFilled = (): void => {
    const bytes = filling.subarray(0, filled)
    const isLast = hasEnded && rest === undefined
    ;[filling, other] = [other ?? memory(), filling]
    filled = 0
    saving = save(bytes, isLast).then(() => (isLast ? saved() : goOn()), failed)
  }
  const goOn = (): void => {
    saving = undefined
    if (isStopped) return
    if (filled === halfBytes || (hasEnded && rest === undefined)) saveFilled()
    if (rest === undefined) return
    const { piece, taken } = rest
    rest = undefined
    take(piece, taken)
    if (rest === undefined) flow.resume()
  }
  const take = (piece: Buffer, from: number): void => {
    let taken = from
    while (taken < piece.length) {
      const copied = piece.copy(filling, filled, taken)
      taken += copied
      filled += copied
      if (filled < halfBytes) break
      if (saving !== undefined) {
        rest = { piece, taken }
        flow.pause()
        return
      }
      saveFilled()
    }
    giveBack(piece)
  }
  return {
    add: (piece) => take(piece, 0),
    end: () => {
      hasEnded = true
      if (saving === undefined) saveFilled()
    },
    stop: async () => {
      isStopped = true
      await saving
    },
  }
}

/**
 * Frees the memory of a piece now. Left to the garbage collector, pieces are what makes it run: V8 counts their bytes, of which a fast
 * connection brings a gigabyte a second, and goes through the whole heap long before the few objects around them would make it look for young garbage.
 */
function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
