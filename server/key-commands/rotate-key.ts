import { allowBeside, changeConfiguration, findKey, setMembers, type Changing } from './configuration.ts'
import { KeyCommandFault } from './fault.ts'
import { createKey, type NewKey, type NewKeyOptions } from './new-key.ts'
import { wholeSecond } from './whole-second.ts'

/** A change of keys: from a key to its successor, with so many days in which both sign. */
export type Rotation = Readonly<{ config: string; keyid: string; successor: string; overlapDays: number; now: Date }>

/** What was changed: until when the old key signs, which clients may use the new one from now on, and the new key where it was made. */
export type Rotated = Readonly<{ notAfter: string; clients: readonly string[]; made?: NewKey }>

const DAY_MS = 86_400_000

/**
 * Gives a key a successor, in one step or not at all: the successor is made and added, or is in the configuration already; the old key becomes
 * `retiring`, with the end of the overlap as its `notAfter`, unless it ends sooner; whoever may use the old one may use the new one.
 * @throws KeyCommandFault, also for a key that has a successor already, or has ended, and for a successor that could not take over; KeyFaults, ConfigError
 */
export async function rotateKey(rotation: Rotation, newKey: NewKeyOptions | undefined): Promise<Rotated> {
  let done: Omit<Rotated, 'made'> | undefined
  const change = (changing: Changing): void => void (done = handOver(changing, rotation))
  if (newKey === undefined) await changeConfiguration(rotation.config, change)
  const made = newKey === undefined ? {} : { made: await createKey(newKey, change) }
  return { ...(done as unknown as Omit<Rotated, 'made'>), ...made }
}

function handOver(changing: Changing, { keyid, successor, overlapDays, now }: Rotation): Omit<Rotated, 'made'> {
  const { node, key: { state = 'active', successor: before, notAfter: end } } = findKey(changing, keyid)
  if (keyid === successor) throw new KeyCommandFault(`key ${keyid} cannot be its own successor`, { usage: true })
  if (state !== 'active' || before !== undefined) throw new KeyCommandFault(`key ${keyid} is ${state}${before === undefined ? '' : `, and its successor is ${before}`}: nothing is changed`)
  if (end !== undefined && end <= wholeSecond(now)) throw new KeyCommandFault(`key ${keyid} ended at ${end}, so there is no overlap: nothing is changed; make another key with keys generate`)
  const overlapEnd = wholeSecond(new Date(now.getTime() + overlapDays * DAY_MS))
  const notAfter = end !== undefined && end < overlapEnd ? end : overlapEnd
  checkSuccessor(changing, { keyid, successor, notAfter })
  setMembers(node, { state: 'retiring', successor, notAfter })
  return { notAfter, clients: allowBeside(changing, keyid, successor) }
}

/** A successor that is in the configuration already must sign when the other one has ended. */
function checkSuccessor({ config }: Changing, { keyid, successor, notAfter }: Readonly<{ keyid: string; successor: string; notAfter: string }>): void {
  const { state = 'active', notBefore: begin, notAfter: end } = config.keys.find((key) => key.keyid === successor) ?? {}
  const refuse = (why: string): never => {
    throw new KeyCommandFault(`key ${successor} ${why}: nothing is changed`)
  }
  if (state !== 'active') refuse(`is ${state}, so it cannot take over`)
  if (begin !== undefined && begin > notAfter) refuse(`begins at ${begin}, when key ${keyid} has ended`)
  if (end !== undefined && end <= notAfter) refuse(`ends at ${end}, not after key ${keyid}, which ends at ${notAfter}`)
}
