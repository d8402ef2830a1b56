/** How many times what is free one holder may have. */
const SHARE = 4;

/**
 * Something of which there is so much, shared by those who hold some: nobody takes more of it than four times what stays free, so that a
 * few who take all they can leave something for whoever comes next. One who is alone has all of it; one who has nothing takes what is left.
 *
 * Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.
 */
export class FairShare {
  private total = 0;

  constructor(private readonly limit: number) {}

  get taken(): number {
    return this.total;
  }

  /** @param own what this holder has already; false where it gets no more now */
  take(own: number, amount: number): boolean {
    const taken = this.total + amount;
    // What is larger than all there is gets it, when nobody else has any.
    if (this.total > 0 && taken > this.limit) return false;
    if (own > 0 && own < this.total && own + amount > SHARE * (this.limit - taken)) return false;
    this.total = taken;
    return true;
  }

  free(amount: number): void {
    this.total -= amount;
  }
}
