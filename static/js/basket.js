// The sums of a basket while it is filled. Without script the review says them.
const basket = document.querySelector("form[data-basket]");
const sums = document.getElementById("basket-sums");

function sumUp() {
  const totals = { month: 0, once: 0 };
  for (const offer of basket.querySelectorAll("[data-price]")) {
    const quantity = Number.parseInt(offer.querySelector("input").value, 10);
    if (quantity > 0) totals[offer.dataset.per] += quantity * Number(offer.dataset.price);
  }
  const words = new Intl.NumberFormat(document.documentElement.lang || "en-US", { style: "currency", currency: basket.dataset.basket });
  for (const [per, total] of Object.entries(totals)) {
    sums.querySelector(`[data-basket-sum="${per}"]`).textContent = words.format(total);
  }
  sums.hidden = false;
}

if (basket && sums) {
  basket.addEventListener("input", sumUp);
  sumUp();
}
