/** How one call ended. */
export interface Sample {
  /** Wall time of its start, in ms since 1970. */
  startedAtMs: number;
  tookMs: number;
  /** The instance that answered. */
  servedBy?: string;
  /** Why it failed. */
  error?: string;
}
