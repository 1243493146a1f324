/** How soon to look again: soon while something changes, ever later while nothing does. Pure, but for what it remembers. */
export class Pace {
  private data: unknown;
  private moment = -1;
  private still = 0;

  constructor(
    private readonly soonest = 2000,
    private readonly latest = 20_000,
  ) {}

  /** Milliseconds to wait after an answer that came at `moment`. Asked again about the same answer, it says the same. */
  next(data: unknown, moment: number): number {
    if (moment !== this.moment) {
      this.still = data === this.data && this.moment !== -1 ? this.still + 1 : 0;
      this.data = data;
      this.moment = moment;
    }
    // Two looks without news are nothing yet.
    return Math.min(this.latest, this.soonest * 1.6 ** Math.max(0, this.still - 1));
  }
}
