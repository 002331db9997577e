/**
 * Kills every process of the group that the process `pid` leads or led. A group that is gone already is no error.
 *
 * The number cannot have been given to somebody else while a member of the group lives, whether or not its leader does; once nobody is
 * left it could be, so callers do this at the moment they learn of an end, never later.
 */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left. EPERM: what is left runs as another user, and there is nothing this process could do about it.
  }
}
