/** What a caller sends to `orders.place`. */
export interface Cart {
  /** Chosen by the caller: placing a cart twice makes one order. */
  id: string;
  sku: string;
  quantity: number;
}

/** What it gets back. */
export interface Order {
  id: string;
  /** The name of the instance that placed it. */
  placedBy: string;
}
