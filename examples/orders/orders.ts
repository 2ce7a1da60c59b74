/** Twelve orders: what is ordered, what the customer does then, and how it must end. */

export interface ExampleOrder {
  order: {
    orderId: string;
    customer: string;
    /** A token that the bank knows. */
    card: string;
    country: string;
    lines: { sku: string; quantity: number }[];
  };
  /** What the customer does after ordering. */
  customerThen: "pay" | "nothing" | "cancel";
  /** `outcome` is the output's, or the error's code. */
  ending: { status: "COMPLETED" | "FAILED" | "CANCELLED"; outcome: string };
}

export const orders: readonly ExampleOrder[] = [
  {
    order: {
      orderId: "order-1001",
      customer: "Anna",
      card: "card-anna",
      country: "DE",
      lines: [
        { sku: "kettle", quantity: 1 },
        { sku: "cup", quantity: 4 },
      ],
    },
    customerThen: "pay",
    ending: { status: "COMPLETED", outcome: "shipped" },
  },
  {
    order: {
      orderId: "order-1002",
      customer: "Bilal",
      card: "card-bilal",
      country: "FR",
      lines: [{ sku: "teapot", quantity: 2 }],
    },
    customerThen: "pay",
    ending: { status: "COMPLETED", outcome: "shipped" },
  },
  {
    order: {
      orderId: "order-1003",
      customer: "Chiara",
      card: "card-chiara",
      country: "IT",
      lines: [{ sku: "cup", quantity: 24 }],
    },
    customerThen: "pay",
    ending: { status: "COMPLETED", outcome: "shipped" },
  },
  {
    order: {
      orderId: "order-1004",
      customer: "Dmitri",
      card: "card-dmitri",
      country: "NL",
      lines: [{ sku: "samovar", quantity: 1 }],
    },
    customerThen: "pay",
    ending: { status: "COMPLETED", outcome: "shipped" },
  },
  {
    order: {
      orderId: "order-1005",
      customer: "Eva",
      card: "card-eva",
      country: "AT",
      lines: [
        { sku: "kettle", quantity: 2 },
        { sku: "teapot", quantity: 1 },
      ],
    },
    customerThen: "pay",
    ending: { status: "COMPLETED", outcome: "shipped" },
  },
  {
    order: {
      orderId: "order-1006",
      customer: "Farid",
      card: "card-farid",
      country: "DE",
      lines: [{ sku: "kettle", quantity: 1 }],
    },
    customerThen: "nothing",
    ending: { status: "COMPLETED", outcome: "unpaid" },
  },
  {
    order: {
      orderId: "order-1007",
      customer: "Greta",
      card: "card-greta",
      country: "FR",
      lines: [{ sku: "cup", quantity: 6 }],
    },
    customerThen: "nothing",
    ending: { status: "COMPLETED", outcome: "unpaid" },
  },
  {
    order: {
      orderId: "order-1008",
      customer: "Hana",
      card: "card-hana",
      country: "AQ",
      lines: [{ sku: "kettle", quantity: 3 }],
    },
    customerThen: "pay",
    ending: { status: "FAILED", outcome: "NO_ROUTE" },
  },
  {
    order: {
      orderId: "order-1009",
      customer: "Ivo",
      card: "card-ivo",
      country: "AQ",
      lines: [{ sku: "teapot", quantity: 1 }],
    },
    customerThen: "pay",
    ending: { status: "FAILED", outcome: "NO_ROUTE" },
  },
  {
    order: {
      orderId: "order-1010",
      customer: "Jana",
      card: "card-jana",
      country: "DE",
      lines: [{ sku: "samovar", quantity: 1 }],
    },
    customerThen: "nothing",
    ending: { status: "FAILED", outcome: "CARD_DECLINED" },
  },
  {
    order: {
      orderId: "order-1011",
      customer: "Kofi",
      card: "card-kofi",
      country: "IT",
      lines: [{ sku: "samovar", quantity: 5 }],
    },
    customerThen: "nothing",
    ending: { status: "FAILED", outcome: "OUT_OF_STOCK" },
  },
  {
    order: {
      orderId: "order-1012",
      customer: "Lea",
      card: "card-lea",
      country: "NL",
      lines: [{ sku: "cup", quantity: 12 }],
    },
    customerThen: "cancel",
    ending: { status: "CANCELLED", outcome: "CANCELLED" },
  },
];
